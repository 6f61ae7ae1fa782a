/* server.js -- the peer of `make bench`: GET /v1/people/{id} by Fastify and node-postgres, as their users would write it.
 *
 * Two processes on one port. The statement is prepared by name on each connection, the token is checked from memory, the
 * answer is written by a schema, which is Fastify's quickest way. From the environment: PORT, TOKEN, STATEMENT (with $1 the id,
 * $2 the caller's person, $3 the scopes), SEARCH_PATH, PGHOST, PGUSER, PGDATABASE, PGPOOL. */
'use strict';

const cluster = require('node:cluster');

const PROCESSES = 2;

function serve() {
  const fastify = require('fastify')({ logger: false });
  const { Pool } = require('pg');
  const pool = new Pool({
    max: Number(process.env.PGPOOL || 10),
    options: `-c search_path=${process.env.SEARCH_PATH} -c jit=off`,
  });
  const callers = new Map([[`Bearer ${process.env.TOKEN}`, { person: null, scopes: '{""}' }]]);
  const text = { type: 'string' };
  const whole = { type: 'integer' };
  const instant = { type: 'string', format: 'date-time' };
  const person = {
    type: 'object',
    properties: {
      id: text, student_number: text, name: text, latin_name: text, home: text, grade: whole, class_name: text,
      status: text, email: text, phone: text, version: whole, created_at: instant, updated_at: instant,
    },
  };
  const params = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } };

  fastify.decorateRequest('caller', null);
  fastify.addHook('onRequest', async (request, reply) => {
    request.caller = callers.get(request.headers.authorization);
    if (!request.caller) return reply.code(401).send({ code: 'unauthenticated' });
  });
  fastify.get('/v1/people/:id', { schema: { params, response: { 200: person } } }, async (request, reply) => {
    const { caller } = request;
    const { rows } = await pool.query({
      name: 'get_person', text: process.env.STATEMENT, values: [request.params.id, caller.person, caller.scopes],
    });
    if (rows.length === 0) return reply.code(404).send({ code: 'not_found' });
    reply.header('etag', `"${rows[0].version}"`);
    return rows[0];
  });
  fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
}

if (cluster.isPrimary) {
  for (let i = 0; i < PROCESSES; i++) cluster.fork();
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill();
    process.exit(0);
  });
} else {
  serve();
}
