// A real provider of OpenID Connect (oidc-provider), on a port that the kernel chose. Whoever comes is signed in as the
// account that the test named last. The test can also have it say what no provider may say: its word is then signed
// anew with its own key, with one thing in it wrong.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { createHmac, generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";
import { SignJWT, importJWK } from "jose";

const [folder, hub] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const own = { ...privateKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" };
const other = { ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }), kid: "k1", alg: "RS256" };
const secret = readFileSync(`${folder}/secret`, "utf8").trim();
const test = { account: "someone", wrong: null };

const server = createServer({ cert: readFileSync(`${folder}/jit-hub.crt`), key: readFileSync(`${folder}/jit-hub.key`) });
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `https://localhost:${server.address().port}`;

const client = (id) => ({
  client_id: id,
  client_secret: secret,
  redirect_uris: [`${hub}/web/oidc/back`],
  grant_types: ["authorization_code"],
  response_types: ["code"],
  require_auth_time: true,
});
const provider = new Provider(issuer, {
  clients: [client("jit-hub"), client("another")],
  jwks: { keys: [own] },
  cookies: { keys: ["for tests"] },
  pkce: { required: () => true },
  claims: { openid: ["sub", "email", "email_verified"] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: false } },
  // Everybody has the same address.
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: "alice@example.org", email_verified: true }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid");
    await grant.save();
    return grant;
  },
});

const wrongs = {
  nonce: (claims) => ({ ...claims, nonce: "of another way" }),
  no_nonce: ({ nonce, ...claims }) => claims,
  audience: (claims) => ({ ...claims, aud: "another" }),
  audiences: (claims) => ({ ...claims, aud: ["jit-hub", "another"] }),
  party: (claims) => ({ ...claims, azp: "another" }),
  issuer: (claims) => ({ ...claims, iss: "https://evil.example" }),
  expired: (claims) => ({ ...claims, iat: claims.iat - 500, exp: claims.iat - 1 }),
  old: (claims) => ({ ...claims, iat: claims.iat - 3600, exp: claims.iat + 3600 }),
  signed_in_long_ago: (claims) => ({ ...claims, auth_time: claims.iat - 3600 }),
  no_auth_time: ({ auth_time, ...claims }) => claims,
  subject: (claims) => ({ ...claims, sub: "x\u202ey" }),
};
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function falsified(word, wrong) {
  const claims = JSON.parse(Buffer.from(word.split(".")[1], "base64url"));
  if (wrong === "unsigned") return `${part({ alg: "none" })}.${part(claims)}.`;
  if (wrong === "shared_secret") {
    const text = `${part({ alg: "HS256" })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  }
  const key = await importJWK(wrong === "key" ? other : own, "RS256");
  const change = wrongs[wrong] ?? ((same) => same);
  return new SignJWT(change(claims)).setProtectedHeader({ alg: "RS256", kid: "k1" }).sign(key);
}

provider.use(async (ctx, next) => {
  if (ctx.path === "/test") {
    Object.assign(test, Object.fromEntries(new URLSearchParams(ctx.querystring)));
    ctx.body = "";
    return;
  }
  if (ctx.path.startsWith("/interaction/")) {
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: test.account } });
    ctx.respond = false;
    return;
  }
  await next();
  if (ctx.path === "/token" && ctx.body?.id_token && test.wrong) {
    ctx.body.id_token = await falsified(ctx.body.id_token, test.wrong);
    test.wrong = null;
  }
});
server.on("request", provider.callback());
console.log(`the provider answers on ${server.address().port}`);
// It ends with the test that began it.
process.stdin.resume().on("end", () => process.exit(0));
