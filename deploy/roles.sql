-- Makes the logins of a deployment, or gives them new passwords. For a superuser or whoever may create roles and owns the
-- database; safe to repeat. Needs psql 14 or newer and the passwords in the environment:
--   psql "$ADMIN_URL" --no-psqlrc -v ON_ERROR_STOP=1 -f deploy/roles.sql
-- What each may do with each table, `settle migrate` says (APP_ROLE, READ_ROLE); run it as settlement_owner.
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
\getenv read_password READ_PASSWORD

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['settlement_owner', 'settlement_app', 'settlement_read'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', name);
    END IF;
  END LOOP;
  -- Nobody else looks into this database; its owner may create the schema of ours in it.
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO settlement_owner', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO settlement_app, settlement_read', current_database());
END $$;

-- In a database of its own the tables of the backend stand in `public`, too. In the backend's database, grant its owner
-- to settlement_owner instead: GRANT backend TO settlement_owner;
GRANT USAGE, CREATE ON SCHEMA public TO settlement_owner;

ALTER ROLE settlement_owner PASSWORD :'owner_password';
ALTER ROLE settlement_app PASSWORD :'app_password';
ALTER ROLE settlement_read PASSWORD :'read_password';
