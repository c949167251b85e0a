// A real provider of identities for tests: the library oidc-provider, whose answers can be spoilt one at a time.
// Prints its issuer when it listens. POST /_test/next takes {"people", "spoil", "status", "delay_ms", "places"};
// GET /_test/heard answers how the client last showed its secret.

import { createServer } from "node:http";
import { generateKeyPair, exportJWK, SignJWT, decodeJwt } from "jose";
import { Provider } from "oidc-provider";

let settings = { people: {}, spoil: {}, status: 0, delay_ms: 0, places: {} };
let heard = "";
const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const { privateKey: strange } = await generateKeyPair("RS256");
const jwk = { ...(await exportJWK(privateKey)), kid: "one", alg: "RS256", use: "sig" };

const server = createServer();
server.listen(0, "127.0.0.1", () => start(`http://127.0.0.1:${server.address().port}`));

function start(issuer) {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "serai",
        client_secret: "a secret of + signs",
        redirect_uris: ["http://127.0.0.1/"],
      },
    ],
    claims: {
      openid: ["sub"],
      profile: ["name", "preferred_username"],
      email: ["email", "email_verified"],
      entitlements: ["eduperson_entitlement"],
    },
    pkce: { required: () => true },
    jwks: { keys: [jwk] },
    cookies: { keys: ["only for tests"] },
    findAccount: (_context, id) => ({
      accountId: settings.people[id]?.sub ?? id,
      claims: () => ({ sub: id, name: id, ...settings.people[id] }),
    }),
  });
  // The port of the tests' own server is known to nobody before it runs.
  provider.Client.prototype.redirectUriAllowed = (uri) => uri.startsWith("http://127.0.0.1:") || uri.startsWith("http://localhost:");
  provider.Client.prototype.postLogoutRedirectUriAllowed = provider.Client.prototype.redirectUriAllowed;
  provider.use(async (context, next) => {
    if (context.path === "/token") heard = context.get("authorization").split(" ")[0];
    await next();
    if (context.path === "/token" && context.body?.id_token) context.body.id_token = await spoilt(context.body.id_token, settings.spoil);
    if (context.path.endsWith("openid-configuration")) context.body = { ...context.body, ...settings.places };
  });
  const answer = provider.callback();
  server.on("request", async (request, response) => {
    if (request.url === "/_test/next") return take(request, response);
    if (request.url === "/_test/heard") return response.end(heard);
    await new Promise((go) => setTimeout(go, settings.delay_ms));
    if (settings.status) return response.writeHead(settings.status).end("spoilt");
    return answer(request, response);
  });
  console.log(issuer);
}

async function take(request, response) {
  let text = "";
  for await (const piece of request) text += piece;
  settings = { people: {}, spoil: {}, status: 0, delay_ms: 0, places: {}, ...JSON.parse(text) };
  response.writeHead(204).end();
}

// {"claims": {…}} changes claims (null takes one away), {"key": "strange"} signs by a key nobody shows,
// {"alg": "none" | "HS256"} signs by none, or by what everybody knows.
async function spoilt(token, { claims, key, alg }) {
  if (!claims && !key && !alg) return token;
  const said = Object.fromEntries(Object.entries({ ...decodeJwt(token), ...claims }).filter(([, value]) => value !== null));
  if (alg === "none") return `${part({ alg: "none" })}.${part(said)}.`;
  if (alg === "HS256") return new SignJWT(said).setProtectedHeader({ alg, kid: "one" }).sign(new TextEncoder().encode("a secret of + signs"));
  return new SignJWT(said).setProtectedHeader({ alg: "RS256", kid: "one" }).sign(key === "strange" ? strange : privateKey);
}

const part = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");

// It belongs to the test that started it.
process.stdin.on("end", () => process.exit(0)).resume();
