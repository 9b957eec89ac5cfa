"""What kubectl prints for people: tables of events and descriptions, turned back into API objects."""
