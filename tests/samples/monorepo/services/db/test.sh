grep -q 'PRIMARY KEY' schema.sql
