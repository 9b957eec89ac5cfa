"""One file per screen. A screen is what stands between header and footer; all share one place and one case."""
