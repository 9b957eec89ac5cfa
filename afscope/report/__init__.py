"""What is handed to people and to machines that are not ours: HTML, Markdown, JUnit, SARIF, comparisons."""
