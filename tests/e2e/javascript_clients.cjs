// The openai and ollama packages of JavaScript, as people call them; prints what they were told as one JSON object.
// node javascript_clients.cjs FOLDER-WITH-NODE_MODULES GATEWAY

const { createRequire } = require("node:module");
const [folder, gateway] = process.argv.slice(2);
const from = createRequire(`${folder}/`);
const OpenAI = from("openai").default;
const { Ollama } = from("ollama");

const hello = [{ role: "user", content: "hello" }];

async function refusal(asking) {
  try {
    await asking;
    return "answered";
  } catch (error) {
    return { status: error.status ?? error.status_code, code: error.code, message: error.message };
  }
}

async function openai() {
  const api = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "none", maxRetries: 0 });
  const ids = [];
  for await (const model of api.models.list()) ids.push(model.id);
  const whole = await api.chat.completions.create({ model: "llama", messages: hello, max_tokens: 5, ignore_eos: true });
  const stream = await api.chat.completions.create({
    model: "gpt-4o-mini", messages: hello, stream: true, stream_options: { include_usage: true },
  });
  let words = "", usage;
  for await (const chunk of stream) {
    words += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  const vectors = await api.embeddings.create({ model: "embedder", input: ["one", "two"] });
  const response = await api.responses.create({ model: "demo", input: "hi" });
  return {
    ids, words, usage,
    limit: whole.usage.completion_tokens,
    sizes: vectors.data.map((each) => each.embedding.length),
    response: response.output_text,
    unknown: await refusal(api.chat.completions.create({ model: "nobody", messages: hello })),
  };
}

async function ollama() {
  const api = new Ollama({ host: gateway });
  let words = "", last;
  for await (const part of await api.chat({ model: "llama", messages: hello, stream: true, options: { num_predict: 5, temperature: 0 } })) {
    words += part.message.content;
    last = part;
  }
  const answer = await api.generate({ model: "gpt-4o-mini:latest", prompt: "hi", options: { num_predict: 3 } });
  const vectors = await api.embed({ model: "embedder", input: ["one", "two"] });
  return {
    last, words,
    answer: answer.response,
    sizes: vectors.embeddings.map((each) => each.length),
    models: (await api.list()).models.map((each) => each.name),
    running: (await api.ps()).models.map((each) => each.name),
    capabilities: (await api.show({ model: "embedder" })).capabilities,
    unknown: await refusal(api.chat({ model: "nobody", messages: hello })),
    unloaded: (await api.generate({ model: "llama", prompt: "", keep_alive: 0 })).done_reason,
  };
}

Promise.all([openai(), ollama()]).then(([one, other]) => console.log(JSON.stringify({ openai: one, ollama: other })));
