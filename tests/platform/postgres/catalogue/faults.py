"""Faults to plant: the rule that must notice, and the SQL with which a careless migration would bring it in.

`planted` is a tenant table as it should be, made before each of them.
"""

SOUND = """
CREATE TABLE mainstay.planted (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants, id uuid NOT NULL, code text, PRIMARY KEY (tenant_id, id)
);
ALTER TABLE mainstay.planted OWNER TO {owner};
CALL mainstay.protect('mainstay.planted', 'select, insert');
"""

_OF_TENANT = "tenant_id = mainstay.claimed_tenant() AND tenant_id = (SELECT mainstay.current_tenant())"
_FUNCTION = "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp BEGIN ATOMIC"

_PARENT = (
    "CREATE TABLE mainstay.parent (tenant_id uuid NOT NULL, id uuid, PRIMARY KEY (tenant_id, id))"
    " PARTITION BY HASH (tenant_id);"
)

FAULTS: tuple[tuple[str, str], ...] = (
    # What is there at all.
    ("everything_has_a_class", "CREATE TABLE mainstay.stray (id uuid PRIMARY KEY)"),
    ("everything_has_a_class", "CREATE SEQUENCE mainstay.stray"),
    ("everything_has_a_class", "CREATE TYPE mainstay.stray AS ENUM ('a')"),
    ("everything_has_a_class", "CREATE TYPE mainstay.stray AS (a int)"),
    ("everything_has_a_class", "CREATE DOMAIN mainstay.stray AS text"),
    ("everything_has_a_class", "CREATE VIEW mainstay.stray AS SELECT 1 AS one"),
    ("everything_has_a_class", "CREATE MATERIALIZED VIEW mainstay.stray AS SELECT tenant_id FROM mainstay.planted"),
    ("everything_has_a_class", "CREATE FUNCTION mainstay.stray() RETURNS int LANGUAGE sql RETURN 1"),
    ("everything_has_a_class", "CREATE FUNCTION mainstay.current_tenant(int) RETURNS int LANGUAGE sql RETURN 1"),
    ("a_tenant_table_is_declared_nowhere", "ALTER TABLE mainstay.migrations ADD tenant_id uuid"),
    ("declarations_name_what_exists", "DROP TRIGGER append_only ON mainstay.audit_entries"),
    ("declarations_name_what_exists", "ALTER TABLE mainstay.api_keys RENAME CONSTRAINT api_keys_prefix_key TO other"),
    (
        "nothing_is_reached_elsewhere",
        "CREATE TABLE public.stray (a int); GRANT SELECT ON public.stray TO mainstay_runtime",
    ),
    ("nothing_is_reached_elsewhere", "CREATE TABLE public.stray (a int); GRANT UPDATE (a) ON public.stray TO PUBLIC"),
    (
        "nothing_is_reached_elsewhere",
        "CREATE SEQUENCE public.stray; GRANT USAGE ON SEQUENCE public.stray TO mainstay_runtime",
    ),
    ("nothing_is_reached_elsewhere", "CREATE FUNCTION public.stray() RETURNS int LANGUAGE sql RETURN 1"),
    (
        "nothing_is_reached_elsewhere",
        "CREATE SCHEMA side; CREATE VIEW side.stray AS SELECT * FROM mainstay.planted;"
        " GRANT USAGE ON SCHEMA side TO mainstay_runtime; GRANT SELECT ON side.stray TO mainstay_runtime",
    ),
    # The shape of tables.
    ("row_security_is_enabled", "ALTER TABLE mainstay.jobs DISABLE ROW LEVEL SECURITY"),
    ("row_security_is_forced", "ALTER TABLE mainstay.files NO FORCE ROW LEVEL SECURITY"),
    ("tenant_column_is_a_uuid_and_not_null", "CREATE TABLE mainstay.stray (tenant_id text PRIMARY KEY)"),
    (
        "tenant_column_is_a_uuid_and_not_null",
        "CREATE TABLE mainstay.stray (id uuid PRIMARY KEY, tenant_id uuid REFERENCES mainstay.tenants)",
    ),
    ("primary_key_leads_with_the_tenant", "ALTER TABLE mainstay.planted DROP CONSTRAINT planted_pkey"),
    (
        "primary_key_leads_with_the_tenant",
        "ALTER TABLE mainstay.planted DROP CONSTRAINT planted_pkey, ADD PRIMARY KEY (id, tenant_id)",
    ),
    ("unique_keys_hold_within_a_tenant", "ALTER TABLE mainstay.planted ADD UNIQUE (code)"),
    (
        "unique_keys_hold_within_a_tenant",
        "CREATE UNIQUE INDEX ON mainstay.planted (lower(code)) WHERE code IS NOT NULL",
    ),
    ("unique_keys_hold_within_a_tenant", "ALTER TABLE mainstay.planted ADD EXCLUDE USING btree (code WITH =)"),
    (
        "foreign_keys_carry_the_tenant",
        "ALTER TABLE mainstay.planted ADD UNIQUE (id), ADD other uuid;"
        " ALTER TABLE mainstay.planted ADD FOREIGN KEY (other) REFERENCES mainstay.planted (id)",
    ),
    (
        "foreign_keys_carry_the_tenant",
        "ALTER TABLE mainstay.planted ADD other uuid; ALTER TABLE mainstay.planted ADD FOREIGN KEY (other, tenant_id)"
        " REFERENCES mainstay.planted (tenant_id, id)",
    ),
    ("rows_belong_to_a_known_tenant", "ALTER TABLE mainstay.planted DROP CONSTRAINT planted_tenant_id_fkey"),
    ("tables_are_logged_and_local", "ALTER TABLE mainstay.planted SET UNLOGGED"),
    (
        "tables_are_logged_and_local",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        " CREATE FOREIGN TABLE mainstay.stray (tenant_id uuid) SERVER s",
    ),
    ("nothing_inherits", "CREATE TABLE mainstay.stray () INHERITS (mainstay.planted)"),
    (
        "partitions_are_reached_through_their_parent",
        f"{_PARENT} CREATE TABLE mainstay.child PARTITION OF mainstay.parent FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        " GRANT SELECT ON mainstay.child TO mainstay_runtime",
    ),
    (
        "row_security_is_enabled",
        f"{_PARENT} CALL mainstay.protect('mainstay.parent', 'select');"
        " CREATE TABLE mainstay.child PARTITION OF mainstay.parent FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    ),
    ("views_run_as_their_caller", "CREATE VIEW mainstay.stray AS SELECT * FROM mainstay.planted"),
    (
        "views_run_as_their_caller",
        "CREATE VIEW mainstay.stray WITH (security_invoker = false) AS SELECT * FROM mainstay.planted",
    ),
    (
        "copies_are_not_readable",
        "CREATE MATERIALIZED VIEW mainstay.stray AS SELECT * FROM mainstay.planted;"
        " GRANT SELECT ON mainstay.stray TO mainstay_runtime",
    ),
    (
        "sequences_are_closed",
        "CREATE SEQUENCE mainstay.stray; GRANT USAGE ON SEQUENCE mainstay.stray TO mainstay_runtime",
    ),
    (
        "tables_have_no_rewrite_rules",
        "CREATE RULE leak AS ON INSERT TO mainstay.planted DO ALSO DELETE FROM mainstay.jobs",
    ),
    # Policies.
    ("every_tenant_table_has_its_policies", "DROP POLICY tenant ON mainstay.documents"),
    ("every_tenant_table_has_its_policies", "DROP POLICY whole ON mainstay.documents"),
    ("policies_read_as_expected", "ALTER POLICY tenant ON mainstay.jobs USING (true)"),
    (
        "policies_read_as_expected",
        "ALTER POLICY tenant ON mainstay.jobs"
        " USING (tenant_id = nullif(current_setting('mainstay.scope', true), '')::uuid)",
    ),
    (
        "policies_read_as_expected",
        f"ALTER POLICY tenant ON mainstay.stores USING ({_OF_TENANT})",
    ),
    (
        "policies_read_as_expected",
        "CALL mainstay.narrow('mainstay.chunks', 'EXISTS (SELECT FROM mainstay.stores s"
        " WHERE s.tenant_id = chunks.tenant_id AND s.id = chunks.store_id)')",
    ),
    (
        "policies_read_as_expected",
        "ALTER POLICY whole ON mainstay.chunks USING (tenant_id = mainstay.claimed_tenant())",
    ),
    ("policies_read_as_expected", f"ALTER POLICY whole ON mainstay.chunks USING ({_OF_TENANT})"),
    ("policies_check_what_is_written", f"ALTER POLICY whole ON mainstay.chunks WITH CHECK ({_OF_TENANT})"),
    ("policies_check_what_is_written", "ALTER POLICY tenant ON mainstay.jobs WITH CHECK (true)"),
    ("children_hide_with_their_parents", "ALTER TABLE mainstay.planted ADD document_id uuid"),
    ("children_hide_with_their_parents", "ALTER TABLE mainstay.audit_entries ADD answer_id uuid"),
    (
        "policies_check_what_is_written",
        f"DROP POLICY tenant ON mainstay.planted; CREATE POLICY tenant ON mainstay.planted USING ({_OF_TENANT})",
    ),
    ("policies_hold_for_their_role_and_everything", "ALTER POLICY tenant ON mainstay.jobs TO mainstay_keyhole"),
    ("policies_hold_for_their_role_and_everything", "ALTER POLICY whole ON mainstay.chunks TO PUBLIC"),
    ("policies_hold_for_their_role_and_everything", "ALTER POLICY tenant ON mainstay.chunks TO mainstay_wide"),
    (
        "policies_hold_for_their_role_and_everything",
        "DROP POLICY tenant ON mainstay.planted;"
        f" CREATE POLICY tenant ON mainstay.planted FOR SELECT USING ({_OF_TENANT})",
    ),
    (
        "policies_hold_for_their_role_and_everything",
        "DROP POLICY tenant ON mainstay.planted; CREATE POLICY tenant ON mainstay.planted AS RESTRICTIVE"
        f" USING ({_OF_TENANT})"
        f" WITH CHECK ({_OF_TENANT})",
    ),
    ("no_other_policy_exists", "CREATE POLICY help ON mainstay.planted FOR SELECT USING (code = 'public')"),
    ("no_other_policy_exists", "CREATE POLICY keyhole ON mainstay.planted TO mainstay_keyhole USING (true)"),
    (
        "keyhole_policies_are_as_declared",
        "ALTER POLICY keyhole ON mainstay.api_keys TO mainstay_keyhole, mainstay_runtime",
    ),
    ("keyhole_policies_are_as_declared", "DROP POLICY keyhole ON mainstay.jobs"),
    (
        "keyhole_policies_are_as_declared",
        "DROP POLICY keyhole ON mainstay.api_keys;"
        " CREATE POLICY keyhole ON mainstay.api_keys TO mainstay_keyhole USING (true)",
    ),
    (
        "policy_functions_read_as_declared",
        "CREATE OR REPLACE FUNCTION mainstay.current_tenant() RETURNS uuid LANGUAGE sql STABLE"
        " RETURN nullif(current_setting('mainstay.scope', true), '')::uuid",
    ),
    (
        "policy_functions_read_as_declared",
        "CREATE OR REPLACE FUNCTION mainstay.whole_tenant() RETURNS uuid LANGUAGE sql STABLE"
        " RETURN mainstay.claimed_tenant()",
    ),
    ("policy_functions_read_as_declared", "ALTER FUNCTION mainstay.current_tenant() SECURITY DEFINER"),
    (
        "policy_functions_read_as_declared",
        "CREATE OR REPLACE FUNCTION keyhole.unseen_documents() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp RETURN '{}'::uuid[]",
    ),
    # Rights.
    ("public_has_no_rights", "GRANT SELECT ON mainstay.planted TO PUBLIC"),
    ("public_has_no_rights", "GRANT SELECT (code) ON mainstay.planted TO PUBLIC"),
    ("public_has_no_rights", "GRANT USAGE ON SCHEMA keyhole TO PUBLIC"),
    ("public_has_no_rights", "GRANT EXECUTE ON FUNCTION keyhole.find_key(text, bytea) TO PUBLIC"),
    ("nobody_has_rights_past_the_policies", "GRANT TRUNCATE ON mainstay.jobs TO mainstay_runtime"),
    ("nobody_has_rights_past_the_policies", "GRANT REFERENCES (id) ON mainstay.jobs TO mainstay_runtime"),
    ("nobody_has_rights_past_the_policies", "GRANT TRIGGER ON mainstay.jobs TO mainstay_runtime"),
    ("only_known_roles_have_rights", "CREATE ROLE planted_reader; GRANT SELECT ON mainstay.jobs TO planted_reader"),
    ("rights_are_not_handed_on", "GRANT SELECT ON mainstay.planted TO mainstay_runtime WITH GRANT OPTION"),
    ("only_owners_create_in_schemas", "GRANT CREATE ON SCHEMA mainstay TO mainstay_runtime"),
    ("only_owners_create_in_schemas", "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    (
        "defaults_grant_nothing",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA mainstay GRANT SELECT ON TABLES TO mainstay_runtime",
    ),
    ("shared_rows_are_read_only", "GRANT INSERT ON mainstay.migrations TO mainstay_runtime"),
    ("append_only_rows_have_no_other_rights", "GRANT UPDATE (facts) ON mainstay.audit_entries TO mainstay_runtime"),
    ("append_only_rows_have_no_other_rights", "GRANT DELETE ON mainstay.audit_entries TO mainstay_runtime"),
    ("append_only_rows_are_guarded", "DROP TRIGGER append_only ON mainstay.audit_entries"),
    ("append_only_rows_are_guarded", "ALTER TABLE mainstay.audit_entries DISABLE TRIGGER append_only"),
    ("append_only_rows_are_guarded", "ALTER TABLE mainstay.audit_entries ENABLE REPLICA TRIGGER append_only"),
    (
        "append_only_rows_are_guarded",
        "DROP TRIGGER append_only ON mainstay.audit_entries; CREATE TRIGGER append_only BEFORE UPDATE OR DELETE"
        " ON mainstay.audit_entries EXECUTE FUNCTION mainstay.refuse_change();"
        " ALTER TABLE mainstay.audit_entries ENABLE ALWAYS TRIGGER append_only",
    ),
    (
        "triggers_are_declared",
        "CREATE TRIGGER more BEFORE DELETE ON mainstay.jobs EXECUTE FUNCTION mainstay.refuse_change()",
    ),
    ("keyhole_sees_its_columns_alone", "GRANT SELECT ON mainstay.planted TO mainstay_keyhole"),
    ("keyhole_sees_its_columns_alone", "GRANT SELECT (payload) ON mainstay.jobs TO mainstay_keyhole"),
    ("keyhole_sees_its_columns_alone", "REVOKE SELECT (prefix) ON mainstay.api_keys FROM mainstay_keyhole"),
    ("owners_are_bound_by_row_security", "ALTER TABLE mainstay.planted OWNER TO CURRENT_USER"),
    ("one_role_owns_all_tables", "CREATE ROLE planted_owner; ALTER TABLE mainstay.planted OWNER TO planted_owner"),
    # Functions.
    (
        "definers_stand_in_the_keyhole",
        f"CREATE FUNCTION mainstay.stray() RETURNS bigint {_FUNCTION} SELECT count(*) FROM mainstay.planted; END",
    ),
    (
        "definers_stand_in_the_keyhole",
        f"CREATE FUNCTION keyhole.stray() RETURNS bigint {_FUNCTION} SELECT count(*) FROM mainstay.planted; END",
    ),
    ("keyhole_functions_are_definers", "ALTER FUNCTION keyhole.find_key(text, bytea) SECURITY INVOKER"),
    ("keyhole_functions_have_the_weak_owner", "ALTER FUNCTION keyhole.find_key(text, bytea) OWNER TO CURRENT_USER"),
    ("keyhole_functions_fix_their_search_path", "ALTER FUNCTION keyhole.find_key(text, bytea) RESET search_path"),
    (
        "keyhole_functions_fix_their_search_path",
        "ALTER FUNCTION keyhole.find_key(text, bytea) SET search_path = pg_temp, pg_catalog",
    ),
    (
        "keyhole_functions_are_parsed",
        "CREATE FUNCTION keyhole.stray() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN 1; END'",
    ),
    (
        "keyhole_functions_return_what_is_declared",
        "DROP FUNCTION keyhole.find_key(text, bytea); CREATE FUNCTION keyhole.find_key(prefix text, secret bytea)"
        f" RETURNS TABLE (tenant_id uuid, made_at timestamptz) {_FUNCTION}"
        " SELECT tenant_id, expires_at FROM mainstay.api_keys; END",
    ),
    (
        "keyhole_functions_return_ids_counts_and_codes",
        f"CREATE FUNCTION keyhole.stray() RETURNS TABLE (payload jsonb) {_FUNCTION}"
        " SELECT payload FROM mainstay.jobs; END",
    ),
    (
        "keyhole_functions_return_ids_counts_and_codes",
        f"CREATE FUNCTION keyhole.stray() RETURNS TABLE (name text) {_FUNCTION} SELECT name FROM mainstay.tenants; END",
    ),
    (
        "keyhole_functions_are_open_to_the_runtime_alone",
        "CREATE ROLE planted_caller; GRANT EXECUTE ON FUNCTION keyhole.find_key(text, bytea) TO planted_caller",
    ),
    (
        "keyhole_functions_are_open_to_the_runtime_alone",
        "GRANT EXECUTE ON FUNCTION keyhole.find_tenant(text) TO mainstay_runtime",
    ),
    # Roles.
    ("the_roles_exist_without_login", "ALTER ROLE mainstay_keyhole LOGIN"),
    ("the_roles_exist_without_login", "ALTER ROLE mainstay_wide LOGIN"),
    ("serving_roles_have_no_powers", "ALTER ROLE mainstay_wide BYPASSRLS"),
    ("serving_roles_are_in_no_strong_role", "GRANT mainstay_keyhole TO mainstay_wide"),
    ("serving_roles_have_no_powers", "CREATE ROLE planted_app LOGIN BYPASSRLS; GRANT mainstay_runtime TO planted_app"),
    ("serving_roles_have_no_powers", "CREATE ROLE planted_app LOGIN SUPERUSER; GRANT mainstay_runtime TO planted_app"),
    ("serving_roles_have_no_powers", "CREATE ROLE planted_app LOGIN CREATEROLE; GRANT mainstay_runtime TO planted_app"),
    (
        "serving_roles_are_in_no_strong_role",
        "CREATE ROLE planted_app LOGIN; GRANT mainstay_runtime, {owner} TO planted_app",
    ),
    (
        "serving_roles_are_in_no_strong_role",
        "CREATE ROLE planted_app LOGIN; GRANT mainstay_runtime, mainstay_keyhole TO planted_app",
    ),
    (
        "serving_roles_are_in_no_strong_role",
        "CREATE ROLE planted_group; GRANT pg_read_all_data TO planted_group;"
        " CREATE ROLE planted_app LOGIN; GRANT mainstay_runtime, planted_group TO planted_app",
    ),
    (
        "serving_roles_own_nothing",
        "CREATE ROLE planted_app LOGIN; GRANT mainstay_runtime TO planted_app;"
        " ALTER TABLE mainstay.planted OWNER TO planted_app",
    ),
    ("only_the_owner_is_in_the_keyhole", "CREATE ROLE planted_admin LOGIN; GRANT mainstay_keyhole TO planted_admin"),
    ("extensions_are_listed", "CREATE EXTENSION hstore"),
    ("no_door_leads_to_other_databases", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w"),
)
