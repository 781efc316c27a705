-- name: schemas
-- Schemas and who may use them.
SELECT n.nspname::text AS object, 1 AS place, format('CREATE SCHEMA IF NOT EXISTS %I;', n.nspname) AS statement
  FROM pg_namespace n WHERE n.nspname = ANY (:schemas::text[])
 UNION ALL
SELECT n.nspname::text, 2,
       format('GRANT %s ON SCHEMA %I TO %s;', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), n.nspname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
  FROM pg_namespace n, aclexplode(n.nspacl) a
 WHERE n.nspname = ANY (:schemas::text[]) AND a.grantee <> n.nspowner
 GROUP BY n.nspname, a.grantee
 ORDER BY 1, 2, 3;

-- name: functions
-- Functions and procedures, each after those that it calls, their owner where it is another than the schema's, and who
-- may call them.
WITH RECURSIVE routines AS (
    SELECT p.oid, p.oid::regprocedure::text AS object, p.proowner, p.proacl, n.nspowner
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = ANY (:schemas::text[])
), called AS (
    SELECT r.oid, 0 AS depth FROM routines r
     UNION
    SELECT d.objid, c.depth + 1
      FROM called c
      JOIN pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = c.oid AND d.classid = 'pg_proc'::regclass
), ordered AS (
    SELECT r.*, (SELECT max(c.depth) FROM called c WHERE c.oid = r.oid) AS depth FROM routines r
), statements AS (
    SELECT p.depth, p.object, 1 AS place, pg_get_functiondef(p.oid) || ';' AS statement
      FROM ordered p
     UNION ALL
    SELECT p.depth, p.object, 2, format('ALTER ROUTINE %s OWNER TO %s;', p.object, p.proowner::regrole)
      FROM ordered p WHERE p.proowner <> p.nspowner
     UNION ALL
    SELECT p.depth, p.object, 3, format('REVOKE ALL ON ROUTINE %s FROM PUBLIC;', p.object)
      FROM ordered p
     WHERE p.proacl IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)
     UNION ALL
    SELECT p.depth, p.object, 4,
           format('GRANT EXECUTE ON ROUTINE %s TO %s;', p.object,
                  CASE WHEN a.grantee = p.nspowner THEN 'CURRENT_USER' ELSE a.grantee::regrole::text END)
      FROM ordered p, aclexplode(p.proacl) a
     WHERE a.grantee NOT IN (0, p.proowner)
)
SELECT object, place, statement FROM statements ORDER BY depth, object, place, statement;

-- name: tables
-- Tables with their columns, constraints and indexes.
WITH tables AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.reloptions
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (:schemas::text[]) AND c.relkind = 'r'
), parts AS (
    SELECT a.attrelid AS oid, 1 AS kind, a.attnum::int AS place,
           concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                     CASE WHEN a.attcollation <> y.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END,
                     'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
                     CASE WHEN a.attnotnull THEN 'NOT NULL' END) AS line
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
           LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT k.conrelid, 2, position(k.contype IN 'puxc')::int,
           format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid))
      FROM pg_constraint k WHERE k.contype IN ('p', 'u', 'x', 'c')
)
SELECT t.name AS object, 1 AS place,
       format(E'CREATE TABLE %s (\n    %s\n)%s;', t.name,
              (SELECT string_agg(p.line, E',\n    ' ORDER BY p.kind, p.place, p.line) FROM parts p WHERE p.oid = t.oid),
              ' WITH (' || array_to_string(t.reloptions, ', ') || ')') AS statement
  FROM tables t
 UNION ALL
SELECT t.name, 2, format('ALTER TABLE %s ALTER %I SET STORAGE %s;', t.name, a.attname,
                         CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'm' THEN 'MAIN' WHEN 'e' THEN 'EXTERNAL' ELSE 'EXTENDED' END)
  FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_type y ON y.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> y.typstorage
 UNION ALL
SELECT t.name, 3, pg_get_indexdef(i.indexrelid) || ';'
  FROM tables t JOIN pg_index i ON i.indrelid = t.oid
 WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
 ORDER BY 1, 2, 3;

-- name: foreign_keys
-- References between tables, after all of them, because some go both ways.
SELECT k.conrelid::regclass::text AS object, 1 AS place,
       format(E'ALTER TABLE %s ADD CONSTRAINT %I\n    %s;', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) AS statement
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
 WHERE n.nspname = ANY (:schemas::text[]) AND k.contype = 'f'
 ORDER BY 1, 2, 3;

-- name: protections
-- Row security, policies, rights and triggers of tables; after the references, which the owner adds without a tenant.
WITH tables AS (
    SELECT c.oid, c.oid::regclass::text AS name, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (:schemas::text[]) AND c.relkind = 'r'
)
SELECT t.name AS object, 4 AS place, format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', t.name) AS statement
  FROM tables t WHERE t.relrowsecurity
 UNION ALL
SELECT t.name, 5, format('ALTER TABLE %s FORCE ROW LEVEL SECURITY;', t.name) FROM tables t WHERE t.relforcerowsecurity
 UNION ALL
SELECT t.name, 6, concat_ws(' ', format('CREATE POLICY %I ON %s', p.polname, t.name),
                            CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END,
                            CASE p.polcmd WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT' WHEN 'w' THEN 'FOR UPDATE'
                                          WHEN 'd' THEN 'FOR DELETE' END,
                            CASE WHEN p.polroles <> '{0}' THEN
                                'TO ' || (SELECT string_agg(r.id::regrole::text, ', ') FROM unnest(p.polroles) AS r (id)) END,
                            format(E'\n    USING (%s)', pg_get_expr(p.polqual, p.polrelid)),
                            E'\n    WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') || ';'
  FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
 UNION ALL
SELECT t.name, 7, format('GRANT %s ON %s TO %s;', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), t.name,
                         CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
  FROM tables t, aclexplode(t.relacl) a WHERE a.grantee <> t.relowner GROUP BY t.name, a.grantee
 UNION ALL
SELECT t.name, 8, format('GRANT %s (%s) ON %s TO %s;', x.privilege_type,
                         string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), t.name, x.grantee::regrole)
  FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid, aclexplode(a.attacl) x
 GROUP BY t.name, x.grantee, x.privilege_type
 UNION ALL
SELECT t.name, 9, pg_get_triggerdef(g.oid) || ';' FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
 UNION ALL
SELECT t.name, 10, format('ALTER TABLE %s ENABLE %s TRIGGER %I;', t.name,
                          CASE g.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END, g.tgname)
  FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal AND g.tgenabled IN ('A', 'R')
 ORDER BY 1, 2, 3;
