-- admits: 1
-- The mark of a demo campus: at most one row, set by `campus demo` in an empty database. Without it `campus demo reset` empties
-- nothing.

CREATE TABLE demo (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    marked_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
