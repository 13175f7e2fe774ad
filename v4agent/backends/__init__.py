"""Backends: one client over litellm, with every vendor's rules as data and policy of our own."""
