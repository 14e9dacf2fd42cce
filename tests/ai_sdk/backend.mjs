// A backend as people build it with the AI SDK; what it answers depends on what it is told.

import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import {
  convertToModelMessages,
  createUIMessageStream,
  pipeUIMessageStreamToResponse,
  safeValidateUIMessages,
  simulateReadableStream,
  streamText,
  toUIMessageStream,
} from 'ai';
import { MockLanguageModelV4 } from 'ai/test';

globalThis.AI_SDK_LOG_WARNINGS = false;

const chats = new Map(); // the messages of each chat, as a backend with persistence keeps them
const running = new Set(); // the chats whose answer has not ended
const asked = [];
let left = 0;

const everything = [
  { type: 'start' },
  { type: 'start-step' },
  { type: 'reasoning-start', id: 'r' },
  { type: 'reasoning-delta', id: 'r', delta: 'Hm', providerMetadata: { acme: { sign: 'x' } } },
  { type: 'reasoning-end', id: 'r' },
  { type: 'data-weather', id: 'w', data: { state: 'loading' } },
  { type: 'data-note', data: 'gone', transient: true },
  { type: 'tool-input-start', toolCallId: 'c', toolName: 'weather' },
  { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '{"city":' },
  { type: 'tool-input-delta', toolCallId: 'c', inputTextDelta: '"Oslo"}' },
  { type: 'tool-input-available', toolCallId: 'c', toolName: 'weather', input: { city: 'Oslo' } },
  { type: 'tool-output-available', toolCallId: 'c', output: { t: -3 } },
  { type: 'data-weather', id: 'w', data: { state: 'done' } },
  { type: 'finish-step' },
  { type: 'start-step' },
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta: 'It is −3 °C ' },
  { type: 'text-delta', id: 't', delta: '❄️' },
  { type: 'text-end', id: 't' },
  { type: 'source-url', sourceId: 's', url: 'https://example.org', title: 'Weather' },
  { type: 'file', mediaType: 'text/plain', url: 'data:text/plain;base64,SGk=' },
  { type: 'finish-step' },
];

/** A model of the SDK's own that says how many messages it was sent. */
const counter = messages =>
  new MockLanguageModelV4({
    doStream: async () => ({
      stream: simulateReadableStream({
        chunks: [
          { type: 'text-start', id: '0' },
          { type: 'text-delta', id: '0', delta: `Message ${messages.length}.` },
          { type: 'text-end', id: '0' },
          {
            type: 'finish',
            finishReason: { unified: 'length', raw: 'max' },
            usage: { inputTokens: { total: 3 }, outputTokens: { total: 10 } },
          },
        ],
      }),
    }),
  });

async function execute(writer, word, messages, response) {
  if (word === 'fail') throw new Error('the database is down');
  if (word === 'everything') return everything.forEach(chunk => writer.write(chunk));
  if (word === 'wait') {
    writer.write({ type: 'text-start', id: 't' });
    writer.write({ type: 'text-delta', id: 't', delta: 'half' });
    await new Promise(resolve => response.on('close', resolve));
    left += 1;
    return;
  }
  const prompt = await convertToModelMessages(messages);
  const { stream } = streamText({ model: counter(messages), messages: prompt });
  const messageMetadata = ({ part }) =>
    part.type === 'finish' ? { totalUsage: part.totalUsage } : { model: 'counter' };
  writer.merge(toUIMessageStream({ stream, messageMetadata, sendStart: true }));
}

async function post(request, response) {
  const body = await json(request);
  asked.push({ headers: request.headers, body });
  const known = chats.get(body.id) ?? [];
  const messages = body.messages ?? [...known, body.message];
  const valid = await safeValidateUIMessages({ messages });
  if (!valid.success) return response.writeHead(400).end(valid.error.message);
  const word = messages.at(-1).parts[0].text;
  running.add(body.id);
  const stream = createUIMessageStream({
    originalMessages: messages,
    generateId: () => `theirs-${asked.length}`,
    execute: ({ writer }) => execute(writer, word, messages, response),
    onError: error => error.message,
    onEnd: ({ messages: all }) => chats.set(body.id, all) && running.delete(body.id),
  });
  await pipeUIMessageStreamToResponse({ response, stream });
}

async function resume(id, response) {
  if (!running.has(id)) return response.writeHead(204).end();
  const execute = ({ writer }) => everything.forEach(chunk => writer.write(chunk));
  await pipeUIMessageStreamToResponse({ response, stream: createUIMessageStream({ execute }) });
}

const server = createServer(async (request, response) => {
  if (request.url === '/seen') response.end(JSON.stringify({ asked, left }));
  else if (request.method === 'POST') await post(request, response);
  else await resume(decodeURIComponent(request.url.split('/').at(-2)), response);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', () => process.exit());
