// The real OpenFeature providers for OFREP, against the site at argv[2]: prints what each resolved.
import { OpenFeature as Web, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const [, , baseUrl, token] = process.argv;
const context = { targetingKey: "user-1", plan: "pro" };

const ask = async (client, ...more) => ({
  beta: await client.getBooleanDetails("beta", false, ...more),
  colour: await client.getStringDetails("colour", "none", ...more),
  size: await client.getNumberDetails("size", 0, ...more),
  ratio: await client.getNumberDetails("ratio", 0, ...more),
  layout: await client.getObjectDetails("layout", {}, ...more),
  secret: await client.getBooleanDetails("secret", false, ...more),
  nobody: await client.getBooleanDetails("nobody", true, ...more),
  wrong: await client.getBooleanDetails("colour", true, ...more),
});

const requests = [];
const counted = async (input, init) => {
  const response = await fetch(input, init);
  requests.push(response.status);
  return response;
};

await Web.setContext(context);
await Web.setProviderAndWait(new OFREPWebProvider({ baseUrl, pollInterval: 100, fetchImplementation: counted }));
const web = await ask(Web.getClient());
await new Promise((resolve) => setTimeout(resolve, 500));
const polled = [...requests];
await Web.setContext({ targetingKey: "user-1", plan: "free" });
const free = await Web.getClient().getBooleanDetails("beta", true);
await Web.close();

await Server.setProviderAndWait(new OFREPProvider({ baseUrl, headers: [["Authorization", `Bearer ${token}`]] }));
const server = await ask(Server.getClient(), context);
await Server.close();

console.log(JSON.stringify({ web, free, polled, server }));
process.exit(0);
