-- admits: 1
-- Single sign-on. What a sign-in is about travels with the browser, signed; here stands only that it has been completed, so that it
-- is completed once. Who only begins one leaves nothing behind.

CREATE TABLE sign_on_flow (
    id         uuid CONSTRAINT flow_unknown PRIMARY KEY,
    expires_at timestamptz NOT NULL                     -- then nobody takes it any more, whether or not it stands here
);
CREATE INDEX sign_on_flow_old ON sign_on_flow (expires_at);

GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON sign_on_flow TO campus_membership;
