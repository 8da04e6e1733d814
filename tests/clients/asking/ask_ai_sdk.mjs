// Vercel's AI SDK: with the provider for compatible servers, and for the Responses API with OpenAI's.
import { base, equal, feature, image, key, link, load, printReport, rain, raises, said } from "./report.mjs";

const { generateText, jsonSchema, Output, stepCountIs, streamText, tool } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { createOpenAI } = await load("@ai-sdk/openai");

const settings = { name: "orbit", baseURL: base, apiKey: key, includeUsage: true, supportsStructuredOutputs: true };
const model = createOpenAICompatible(settings)("orbit");
const responses = createOpenAI({ baseURL: base, apiKey: key }).responses("orbit");
const talk = { model, prompt: "hello", maxRetries: 0 };
const schema = jsonSchema({
  type: "object",
  properties: { town: { type: "string" }, rain: { type: "boolean" } },
  required: ["town", "rain"],
  additionalProperties: false,
});
const inputSchema = jsonSchema({
  type: "object",
  properties: { town: { type: "string" } },
  required: ["town"],
  additionalProperties: false,
});
const weather = tool({ description: "The weather.", inputSchema, execute: async ({ town }) => `Rain in ${town}` });
const able = { tools: { weather }, stopWhen: stepCountIs(3) };

await feature("chat", async () => equal((await generateText(talk)).text, said));

await feature("stream", async () => {
  let text = "";
  for await (const piece of streamText(talk).textStream) text += piece;
  equal(text, said);
});

await feature("usage", async () => {
  equal((await generateText(talk)).usage.totalTokens, 30);
  const result = streamText(talk);
  await result.consumeStream();
  equal((await result.usage).totalTokens, 30);
});

await feature("JSON schema", async () => {
  const { output } = await generateText({ ...talk, output: Output.object({ schema }) });
  equal(output, { town: "Bonn", rain: true });
});

await feature("tools", async () => equal((await generateText({ ...talk, ...able })).text, rain));

await feature("image", async () => {
  const content = [
    { type: "text", text: "What?" },
    { type: "image", image },
  ];
  equal((await generateText({ model, messages: [{ role: "user", content }], maxRetries: 0 })).text, "I see image/png");
});

await feature("Responses", async () => {
  equal((await generateText({ ...talk, model: responses })).text, said);
  let text = "";
  for await (const piece of streamText({ ...talk, model: responses }).textStream) text += piece;
  equal(text, said);
  equal((await generateText({ ...talk, ...able, model: responses })).text, rain);
});

await feature("sources", async () => {
  const { sources } = await generateText({ ...talk, model: responses });
  equal(sources.map(({ url }) => url).includes(link), true);
});

await feature("errors", async () => {
  await raises(() => generateText({ ...talk, model: createOpenAICompatible(settings)("nothing") }), 404);
  await raises(() => generateText({ ...talk, temperature: 9 }), 400);
  const stranger = createOpenAICompatible({ ...settings, apiKey: "wrong" })("orbit");
  await raises(() => generateText({ ...talk, model: stranger }), 401);
});

printReport("ai");
