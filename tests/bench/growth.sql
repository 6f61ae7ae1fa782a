-- growth.sql -- :people people with five memberships each, for `make bench`: 40 colleges and 400 societies that grow with them,
-- one surname in twenty is 王, and 25 people have a name that no others share, however many there are.
--
-- Filled as a restored dump would be: without triggers, the indexes built at the end. What the triggers would have kept,
-- person_reach, is filled by the same rule.

\set ON_ERROR_STOP 1
SET session_replication_role = replica;
SET maintenance_work_mem = '1GB';
SET work_mem = '256MB';

INSERT INTO organisation (path, kind, title, parent_kind) VALUES
    ('university', 'university', '大学', ''), ('federation', 'federation', '联合会', '');
INSERT INTO organisation (path, kind, title, parent_kind)
SELECT ('university.c' || n)::ltree, 'college', '学院' || n, 'university' FROM generate_series(0, 39) n;
INSERT INTO organisation (path, kind, title, parent_kind)
SELECT ('federation.s' || n)::ltree, 'society', '社团' || n, 'federation' FROM generate_series(0, 399) n;

-- Indexes and the constraint that no read uses, to be made again when the rows are there.
CREATE TEMP TABLE later AS
SELECT indexrelid::regclass::text AS index, pg_get_indexdef(indexrelid) AS made_by
  FROM pg_index
 WHERE indrelid = ANY ('{person,person_reach,membership}'::regclass[]) AND NOT indisunique AND NOT indisexclusion;
SELECT format('DROP INDEX %s', index) FROM later \gexec
ALTER TABLE person_reach DROP CONSTRAINT person_reach_pkey;
ALTER TABLE membership DROP CONSTRAINT membership_overlaps;

BEGIN;
TRUNCATE person, person_reach, membership, api_key;
INSERT INTO person (id, student_number, name, home, grade, class_name, email, created_at, updated_at)
SELECT (:'prefix' || lpad((100000000000000 + n)::text, 15, '0'))::uuid, 'B' || lpad(n::text, 8, '0'),
       CASE WHEN n % (:people / 25) = 0 THEN '欧阳修远'
            ELSE substr('王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗', h % 20 + 1, 1)
                 || substr('明华建国文军志强丽静晓春海燕红梅立新永平', h / 20 % 20 + 1, 1)
                 || substr('伟芳敏娜秀英杰涛超勇艳霞刚玲桂兰鹏辉宇浩', h / 400 % 20 + 1, 1) END,
       ('university.c' || n % 40)::ltree, 2018 + n % 8, '班' || n % 40, 'student' || n || '@example.edu', now(), now()
  FROM (SELECT n, hashint4(n) & 65535 AS h FROM generate_series(1, :people) n) AS each_one;
INSERT INTO membership (id, person_id, organisation, kind, since, created_at, updated_at)
SELECT ('01900000-0000-7000-9' || lpad((5 * n + k)::text, 15, '0'))::uuid,
       (:'prefix' || lpad((100000000000000 + n)::text, 15, '0'))::uuid,
       ('federation.s' || (n * 7 + k * 83) % 400)::ltree, 'member', '2024-09-01', now(), now()
  FROM generate_series(1, :people) n, generate_series(0, 4) k;
INSERT INTO person_reach
SELECT r.ancestor, p.id, r.since, 'infinity', p.name, p.student_number, p.home, p.grade, p.status
  FROM (SELECT a AS ancestor, id AS person_id, '-infinity'::date AS since FROM person, ancestors(home) a
         UNION ALL
        SELECT organisation, person_id, since FROM membership
         UNION ALL
        SELECT 'federation', id, '2024-09-01' FROM person) AS r
  JOIN person p ON p.id = r.person_id;
COMMIT;

ALTER TABLE person_reach ADD PRIMARY KEY (ancestor, person_id, since);
SELECT made_by FROM later \gexec
VACUUM (ANALYZE, FREEZE) person, person_reach, membership, organisation;
CHECKPOINT;

-- Where people are read all day, they are in memory.
CREATE EXTENSION pg_prewarm SCHEMA public;
SELECT pg_prewarm('person'), pg_prewarm('person_pkey');
