// OpenAI's package for JavaScript.
import { base, equal, feature, image, key, link, load, printReport, rain, raises, said } from "./report.mjs";

const { default: OpenAI } = await load("openai");
const api = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];
const talk = { model: "orbit", messages };
const town = { type: "object", properties: { town: { type: "string" } }, required: ["town"] };
const weather = {
  type: "object",
  properties: { town: { type: "string" }, rain: { type: "boolean" } },
  required: ["town", "rain"],
  additionalProperties: false,
};
const format = { type: "json_schema", json_schema: { name: "weather", strict: true, schema: weather } };
const tools = [{ type: "function", function: { name: "weather", parameters: town } }];
const first = (answer) => answer.choices[0].message;

await feature("chat", async () => equal(first(await api.chat.completions.create(talk)).content, said));

await feature("stream", async () => {
  const final = await api.chat.completions.stream(talk).finalChatCompletion();
  equal(first(final).content, said);
});

await feature("usage", async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  let usage = null;
  for await (const chunk of await api.chat.completions.create({ ...talk, ...options })) usage = chunk.usage ?? usage;
  equal(usage.total_tokens, 30);
});

await feature("JSON schema", async () => {
  const answer = await api.chat.completions.parse({ ...talk, response_format: format });
  equal(first(answer).parsed, { town: "Bonn", rain: true });
});

await feature("tools", async () => {
  const run = (await load("openai")).default && api.chat.completions.runTools;
  const able = [{ type: "function", function: { ...tools[0].function, function: () => "Rain in Bonn", parse: JSON.parse } }];
  equal(await run.call(api.chat.completions, { ...talk, tools: able }).finalContent(), rain);
});

await feature("image", async () => {
  const content = [
    { type: "text", text: "What?" },
    { type: "image_url", image_url: { url: image } },
  ];
  equal(first(await api.chat.completions.create({ ...talk, messages: [{ role: "user", content }] })).content, "I see image/png");
});

await feature("Responses", async () => {
  const one = await api.responses.create({ model: "orbit", input: "hello" });
  const two = await api.responses.create({ model: "orbit", input: "hello", previous_response_id: one.id });
  equal(two.output_text, said);
  const stream = api.responses.stream({ model: "orbit", input: "hello" });
  equal((await stream.finalResponse()).output_text, said);
});

await feature("sources", async () => {
  const { annotations } = first(await api.chat.completions.create(talk));
  equal(annotations.map((annotation) => annotation.url_citation.url).includes(link), true);
});

await feature("errors", async () => {
  await raises(() => api.chat.completions.create({ ...talk, model: "nothing" }), 404);
  await raises(() => api.chat.completions.create({ ...talk, n: 2 }), 400);
  await raises(() => new OpenAI({ baseURL: base, apiKey: "wrong", maxRetries: 0 }).models.list(), 401);
});

printReport("openai");
