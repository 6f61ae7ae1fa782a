-- The database campus and its login roles, "campus_owner campus_membership ..." in psql's variable `roles`. Safe to repeat.
SELECT format('CREATE ROLE %I LOGIN', name) FROM string_to_table(:'roles', ' ') name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT 'CREATE DATABASE campus OWNER campus_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'campus') \gexec
REVOKE ALL ON DATABASE campus FROM PUBLIC;
SELECT format('GRANT CONNECT ON DATABASE campus TO %I', name) FROM string_to_table(:'roles', ' ') name \gexec
