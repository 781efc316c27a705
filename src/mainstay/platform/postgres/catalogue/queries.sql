-- name: relations
-- Everything with rows or a row type in our schemas, and what else the runtime role reaches that is no extension's.
SELECT c.oid::regclass::text AS name, n.nspname AS schema, c.relkind::text AS kind, r.rolname AS owner,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced, c.relpersistence::text AS persistence,
       (SELECT i.inhparent::regclass::text FROM pg_inherits i
         WHERE i.inhrelid = c.oid ORDER BY i.inhseqno LIMIT 1) AS parent,
       c.relispartition AS is_partition,
       coalesce(c.reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
           AS security_invoker,
       ARRAY(SELECT w.rulename::text FROM pg_rewrite w
              WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN' ORDER BY 1) AS rewrite_rules,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       (SELECT format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS tenant_type
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   AND (n.nspname = ANY (:schemas::text[])
        OR (n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind <> 'c'
            AND EXISTS (
                SELECT FROM pg_roles q
                 WHERE q.rolname = :runtime AND has_schema_privilege(q.oid, n.oid, 'USAGE')
                   AND CASE c.relkind
                           WHEN 'S' THEN has_sequence_privilege(q.oid, c.oid, 'USAGE, SELECT, UPDATE')
                           ELSE has_any_column_privilege(q.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
                             OR has_table_privilege(q.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
                       END)))
 ORDER BY 1;

-- name: keys
-- Unique indexes and exclusion constraints, with the names of their columns.
SELECT i.indrelid::regclass::text AS relation, i.indexrelid::regclass::text AS name,
       ARRAY(SELECT coalesce(a.attname::text, '')
               FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
              WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns,
       i.indisprimary AS primary
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (:schemas::text[]) AND (i.indisunique OR i.indisexclusion)
 ORDER BY 1, 2;

-- name: foreign_keys
-- References with their columns in pairs.
SELECT f.conrelid::regclass::text AS relation, f.conname::text AS name,
       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place)
               JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum ORDER BY k.place) AS columns,
       f.confrelid::regclass::text AS referenced,
       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place)
               JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum ORDER BY k.place)
           AS referenced_columns
  FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (:schemas::text[]) AND f.contype = 'f'
 ORDER BY 1, 2;

-- name: policies
-- Policies with their conditions as PostgreSQL prints them.
SELECT p.polrelid::regclass::text AS relation, p.polname::text AS name,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                     ELSE 'ALL' END AS command,
       p.polpermissive AS permissive,
       ARRAY(SELECT CASE m.id WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(m.id)::text END
               FROM unnest(p.polroles) AS m (id) ORDER BY 1) AS roles,
       pg_get_expr(p.polqual, p.polrelid) AS using_sql, pg_get_expr(p.polwithcheck, p.polrelid) AS check_sql
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (:schemas::text[])
 ORDER BY 1, 2;

-- name: grants
-- Rights on our relations, columns, functions and schemas, on the schema public, and by default; not the owners' own.
WITH rights AS (
    SELECT 'relation' AS kind, c.oid::regclass::text AS object, NULL::text AS part, c.relowner AS owner,
           coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) AS acl
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (:schemas::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'column', c.oid::regclass::text, a.attname::text, c.relowner, a.attacl
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (:schemas::text[]) AND a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, NULL, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = ANY (:schemas::text[])
    UNION ALL
    SELECT 'schema', n.nspname::text, NULL, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
      FROM pg_namespace n
     WHERE n.nspname = ANY (:schemas::text[]) OR n.nspname = 'public'
    UNION ALL
    SELECT 'default', coalesce(n.nspname::text, 'every schema'), NULL, d.defaclrole, d.defaclacl
      FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
     WHERE d.defaclnamespace = 0 OR n.nspname = ANY (:schemas::text[])
)
SELECT g.kind, g.object, g.part AS column,
       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS grantee,
       a.privilege_type AS privilege, a.is_grantable AS grantable
  FROM rights g, aclexplode(g.acl) a
 WHERE a.grantee <> g.owner
 ORDER BY 1, 2, 3, 4, 5;

-- name: functions
-- Functions of our schemas, and what else the runtime role may call that is neither PostgreSQL's nor an extension's.
SELECT p.oid::regprocedure::text AS name, n.nspname AS schema, r.rolname AS owner, p.prosecdef AS security_definer,
       coalesce(p.proconfig, '{}') AS settings, pg_get_function_sqlbody(p.oid) AS body,
       CASE WHEN p.proallargtypes IS NULL THEN ARRAY[format_type(p.prorettype, NULL)]
            ELSE ARRAY(SELECT concat_ws(' ', nullif(a.name, ''), format_type(a.type, NULL))
                         FROM unnest(p.proallargtypes, p.proargmodes, p.proargnames)
                              WITH ORDINALITY AS a (type, mode, name, place)
                        WHERE a.mode IN ('o', 'b', 't') ORDER BY a.place) END AS returns
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
 WHERE NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
   AND (n.nspname = ANY (:schemas::text[])
        OR (n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
            AND EXISTS (SELECT FROM pg_roles q
                         WHERE q.rolname = :runtime AND has_schema_privilege(q.oid, n.oid, 'USAGE')
                           AND has_function_privilege(q.oid, p.oid, 'EXECUTE'))))
 ORDER BY 1;

-- name: triggers
-- Triggers that no constraint made.
SELECT t.tgname::text AS name, t.tgrelid::regclass::text AS relation, t.tgfoid::regprocedure::text AS function,
       t.tgenabled::text AS enabled, t.tgtype & 2 <> 0 AS before,
       ARRAY(SELECT e.word FROM (VALUES (4, 'INSERT'), (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE')) AS e (bit, word)
              WHERE t.tgtype & e.bit <> 0 ORDER BY 1) AS events,
       t.tgqual IS NOT NULL OR t.tgattr <> '' AS conditional
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (:schemas::text[]) AND NOT t.tgisinternal
 ORDER BY 2, 1;

-- name: roles
-- Roles with their powers and every role they can become or inherit from. Whoever creates a role since PostgreSQL 16
-- may administer it without either, which counts for nothing here.
SELECT r.rolname::text AS name, r.rolcanlogin AS login,
       array_remove(ARRAY[CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
                          CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
                          CASE WHEN r.rolreplication THEN 'REPLICATION' END], NULL) AS powers,
       ARRAY(WITH RECURSIVE member AS (
                 SELECT m.roleid, m.member FROM pg_auth_members m
                  WHERE coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
                     OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)),
             up (id) AS (
                 SELECT m.roleid FROM member m WHERE m.member = r.oid
                  UNION SELECT m.roleid FROM member m JOIN up ON up.id = m.member)
             SELECT pg_get_userbyid(up.id)::text FROM up ORDER BY 1) AS memberships,
       has_database_privilege(r.oid, current_database(), 'CONNECT') AS connects
  FROM pg_roles r
 ORDER BY 1;

-- name: owners
-- Who owns our schemas and the database itself, which is the one without a name.
SELECT n.nspname::text AS schema, pg_get_userbyid(n.nspowner)::text AS role
  FROM pg_namespace n WHERE n.nspname = ANY (:schemas::text[])
 UNION ALL
SELECT '', pg_get_userbyid(d.datdba)::text FROM pg_database d WHERE d.datname = current_database()
 ORDER BY 1;

-- name: named
-- Types of our schemas that are not a table's own row type or an array; installed extensions; doors to other databases.
SELECT 'type' AS kind, format_type(t.oid, NULL) AS name
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE n.nspname = ANY (:schemas::text[])
   AND (t.typtype IN ('e', 'd', 'r', 'm') OR (t.typtype = 'c' AND c.relkind = 'c'))
 UNION ALL
SELECT 'extension', e.extname::text FROM pg_extension e
 UNION ALL
SELECT 'foreign server', s.srvname::text FROM pg_foreign_server s
 ORDER BY 1, 2;
