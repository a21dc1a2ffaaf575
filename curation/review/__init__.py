"""Review pages: people compare, correct and star answers, one key a decision."""
