"""v4agent: from an issue and a repository to a change that passes the tests."""
