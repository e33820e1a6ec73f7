// A certified OpenID Connect provider, oidc-provider of npm, with one client and people who need no password.
// node oidc_provider.cjs FOLDER-OF-NODE_MODULES PORT CLIENT SECRET CALLBACK
"use strict";
const { createRequire } = require("node:module");
const [folder, port, client_id, client_secret, callback] = process.argv.slice(2);
const { pathToFileURL } = require("node:url");
const entry = createRequire(`${folder}/`).resolve("oidc-provider");

import(pathToFileURL(entry)).then(({ default: Provider }) => {
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id, client_secret, redirect_uris: [callback], post_logout_redirect_uris: [new URL("/sign-in", callback).href] }],
    claims: { openid: ["sub"], profile: ["name", "groups"] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: "Zoë 李", groups: ["radiology"] }) }),
  });
  provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
});
