"""What loaders must keep to, one module a subject; together they are the conformance suite."""
