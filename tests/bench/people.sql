-- people.sql -- :people students of one college, for `make bench`. Their ids are a fixed beginning and 15 decimal digits, which
-- every client can make up.

INSERT INTO membership.organisation (path, kind, title) VALUES ('university', 'university', '大学');
INSERT INTO membership.organisation (path, kind, title) VALUES ('university.cs', 'college', '计算机学院');

INSERT INTO membership.person (id, student_number, name, latin_name, home, grade, class_name, email, phone)
SELECT (:'prefix' || lpad((100000000000000 + n)::text, 15, '0'))::uuid,
       'B' || lpad(n::text, 8, '0'),
       substr('赵钱孙李周吴郑王冯陈', n % 10 + 1, 1) || substr('明华建国文军志强丽静', n / 10 % 10 + 1, 1)
           || substr('伟芳敏娜秀英杰涛超勇', n / 100 % 10 + 1, 1),
       initcap((ARRAY['zhao', 'qian', 'sun', 'li', 'zhou', 'wu', 'zheng', 'wang', 'feng', 'chen'])[n % 10 + 1]) || ' Student',
       'university.cs', 2018 + n % 8, '计科' || n % 40 + 1, 'student' || n || '@example.edu', '1390000' || n % 10000
  FROM generate_series(1, :people) n;

VACUUM (ANALYZE, FREEZE) membership.person, membership.person_reach, membership.organisation;
CHECKPOINT;
