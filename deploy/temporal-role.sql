-- Temporal's login, which makes Temporal's two databases and nothing else.
\getenv temporal_password TEMPORAL_PASSWORD

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'temporal') THEN
    CREATE ROLE temporal LOGIN NOSUPERUSER CREATEDB NOCREATEROLE;
  END IF;
END $$;

ALTER ROLE temporal PASSWORD :'temporal_password';
