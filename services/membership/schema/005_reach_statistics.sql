-- admits: 1
-- A list is asked of a great subtree more often than of a small one. Left to the average, which a few people each of many small
-- organisations pull down, the planner takes any subtree for small and would read it whole to sort it by name.

ALTER TABLE person_reach ALTER COLUMN ancestor SET (n_distinct = 10);
ANALYZE person_reach (ancestor);
