// provider.mjs -- a real OpenID provider on a free port of this host. It signs in whomever the authorization request's login_hint
// names, and asks for no password. Prints its port.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: alg,
});
const redirects = { redirect_uris: ['https://campus.example.edu.cn/signed-in'], response_types: ['code'], grant_types: ['authorization_code'] };

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { ...redirects, client_id: 'campus', client_secret: 'a secret: 100% + more/=', id_token_signed_response_alg: 'RS256' },
    { ...redirects, client_id: 'campus-public', token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'EdDSA' },
    { ...redirects, client_id: 'campus-post', client_secret: 'another', token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256' },
  ],
  jwks: {
    keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256'), key('ed25519', {}, 'EdDSA')],
  },
  claims: { openid: ['sub'], profile: ['preferred_username'] },
  // As the specification has it, an ID token says no more than who; the claims are UserInfo's.
  conformIdTokenClaims: process.argv[2] === 'userinfo',
  clientAuthMethods: process.argv[3] ? [process.argv[3]] : undefined,
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  pkce: { required: () => true },
  cookies: { keys: ['nothing to hide'] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id.replace(/^sub-/, '') }) }),
});

provider.use(async (context, next) => {
  if (!context.path.startsWith('/interaction/')) return next();
  const { prompt, params, session } = await provider.interactionDetails(context.req, context.res);
  let result = { login: { accountId: `sub-${params.login_hint}` } };
  if (prompt.name === 'consent') {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  context.respond = false;
  return provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: true });
});

server.on('request', provider.callback());
console.log(`port=${port}`);
