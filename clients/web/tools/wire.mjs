// Generates generated/wire.ts from the published protocol: each payload as a type, and each topic
// as a function. The protocol itself is defined once, in schemas/.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const docs = new URL("../../../docs/protocol/", import.meta.url);
const out = new URL("../generated/", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, docs), "utf8"));

const schemas = read("handrail.schema.json").$defs;
const channels = read("asyncapi.json").channels;

const nameOf = (ref) => ref.replace("#/$defs/", "");
const quote = (value) => JSON.stringify(value);

function typeOf(schema) {
  if (schema === true || schema === undefined || Object.keys(schema).length === 0) return "unknown";
  if (schema.$ref) return nameOf(schema.$ref);
  if ("const" in schema) return quote(schema.const);
  if (schema.enum) return schema.enum.map(quote).join(" | ");
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return [...new Set(either.map(typeOf))].join(" | ");
  switch (schema.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array":
      return arrayOf(schema);
    case "object":
      return schema.properties ? objectOf(schema) : `Record<string, ${typeOf(schema.additionalProperties)}>`;
    default:
      return "unknown";
  }
}

function arrayOf(schema) {
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeOf).join(", ")}]`;
  return `(${typeOf(schema.items)})[]`;
}

function objectOf(schema) {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties).map(([key, value]) => {
    const about = value.description ? `  /** ${value.description.replaceAll("*/", "* /")} */\n` : "";
    return `${about}  ${quote(key)}${required.has(key) ? "" : "?"}: ${typeOf(value)};`;
  });
  return `{\n${lines.join("\n")}\n}`;
}

function topicOf([name, channel]) {
  const names = [...channel.address.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
  const text = channel.address.replaceAll("{", "${");
  return `  ${quote(name)}: (${names.map((one) => `${one}: string`).join(", ")}) => \`${text}\`,`;
}

const types = Object.entries(schemas).map(([name, schema]) => {
  const about = schema.description ? `/** ${schema.description.replaceAll("*/", "* /")} */\n` : "";
  return `${about}export type ${name} = ${typeOf(schema)};\n`;
});

const file = new URL("wire.ts", out);
const text =
  `// Generated from docs/protocol by tools/wire.mjs. Not to be edited.\n\n${types.join("\n")}\n` +
  `export const topics = {\n${Object.entries(channels).map(topicOf).join("\n")}\n};\n`;

// Left alone where it is right: another process may be reading it.
if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
  mkdirSync(out, { recursive: true });
  writeFileSync(file, text);
}
