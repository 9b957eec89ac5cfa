"""What is handed to people and machines: HTML, Markdown, JUnit, SARIF, comparisons, gates."""
