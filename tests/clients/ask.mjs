// Asks a server through the openai package and prints what it got, as JSON.
// Environment: OPENAI_PACKAGE (the package's folder), OPENAI_BASE_URL, OPENAI_API_KEY, EMBEDDING_MODEL.
const { default: OpenAI } = await import(`${process.env.OPENAI_PACKAGE}/index.mjs`);

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: "user", content: "hello" }];
const talk = { model: "orbit", messages };

async function raised(action) {
  try {
    await action();
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code };
  }
  return null;
}

const whole = await client.chat.completions.create(talk);

const stream = await client.chat.completions.create({
  ...talk,
  stream: true,
  stream_options: { include_usage: true },
});
let text = "";
let finish = null;
let usage = null;
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta.content ?? "";
  finish = chunk.choices[0]?.finish_reason ?? finish;
  usage = chunk.usage ?? usage;
}

const helper = client.chat.completions.stream(talk);
const final = await helper.finalChatCompletion();

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const vectors = await client.embeddings.create({ model: process.env.EMBEDDING_MODEL, input: ["one", "two"] });

const left = await client.chat.completions.create({ ...talk, stream: true });
for await (const chunk of left) {
  if (chunk.choices[0].delta.content) break; // the loop's end aborts the request
}

const patient = new OpenAI({ maxRetries: 2 });
const flaky = await patient.chat.completions.create({ ...talk, messages: [{ role: "user", content: "fail once" }] });

const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const calling = await client.chat.completions.create({ ...talk, tools });
const { message } = calling.choices[0];
const round = [...messages, message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "Rain." }];
const called = client.chat.completions.stream({ ...talk, tools });
const rounds = {
  call: message.tool_calls[0].function.name,
  finish: calling.choices[0].finish_reason,
  streamed: (await called.finalChatCompletion()).choices[0].message.tool_calls[0].function.arguments,
  reply: (await client.chat.completions.create({ ...talk, tools, messages: round })).choices[0].message.content,
};

const errors = {
  key: await raised(() => new OpenAI({ apiKey: "wrong", maxRetries: 0 }).models.list()),
  model: await raised(() => client.chat.completions.create({ ...talk, model: "nothing" })),
  parameter: await raised(() => client.chat.completions.create({ ...talk, n: 2 })),
  away: await raised(() =>
    client.chat.completions.create({ ...talk, messages: [{ role: "user", content: "fail always" }] }),
  ),
};

console.log(
  JSON.stringify({
    whole: whole.choices[0].message.content,
    sources: whole.orbit.sources.map((source) => source.text),
    streamed: { text, finish, usage },
    final: final.choices[0].message.content,
    models,
    dimensions: vectors.data.map((item) => item.embedding.length),
    flaky: flaky.choices[0].message.content,
    rounds,
    errors,
  }),
);
