"""The changes of the schema, in order. A file that was in a release is never changed again."""
