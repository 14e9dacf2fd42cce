// A backend whose answers outlive their readers, built as the AI SDK's documentation says: chats
// and streams are in Redis, so that two of these on one Redis serve the same chats. Its model
// writes a word of an answer for each that the test lets go.

import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  convertToModelMessages,
  createUIMessageStreamResponse,
  generateId,
  streamText,
  toUIMessageStream,
  UI_MESSAGE_STREAM_HEADERS,
} from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { createClient } from 'redis';
import { createResumableStreamContext } from 'resumable-stream';

globalThis.AI_SDK_LOG_WARNINGS = false;

const WORDS = ['Three ', 'days ', 'in ', 'Lisbon.'];
const database = await createClient({ url: process.env.REDIS_URL }).connect();
const streams = createResumableStreamContext({ waitUntil: null });
const working = new Map(); // what stops the model, by stream

// -- what the test sees of a chat, and decides --

class Told {
  requests = [];
  bodies = []; // of those that had one
  models = 0; // how many times the model was asked
  aborted = 0; // how many of these were given up
  streams = 0; // of those, how many a reader can come back to
  resumed = 0; // readers that did, in time
  left = 0; // readers that went before the end
  released = 0; // words that may go, the ending counts as one
  #bell = new EventEmitter();

  note({ method, url }, body) {
    this.requests.push(`${method} ${url}`);
    if (method === 'POST') this.bodies.push(body);
  }

  release(count) {
    this.released += count;
    this.#bell.emit('released');
  }

  async passed(signal) {
    while (this.released < 1) await once(this.#bell, 'released', { signal });
    this.released -= 1;
  }
}

const chats = new Map();

function told(id) {
  if (!chats.has(id)) chats.set(id, new Told());
  return chats.get(id);
}

// -- the model --

const writer = chat =>
  new MockLanguageModelV4({
    async doStream({ abortSignal }) {
      chat.models += 1;
      abortSignal.addEventListener('abort', () => (chat.aborted += 1));
      return { stream: ReadableStream.from(written(chat, abortSignal)) };
    },
  });

async function* written(chat, signal) {
  yield { type: 'stream-start', warnings: [] };
  yield { type: 'text-start', id: '0' };
  for (const delta of WORDS) {
    await chat.passed(signal);
    yield { type: 'text-delta', id: '0', delta };
  }
  await chat.passed(signal);
  yield { type: 'text-end', id: '0' };
  yield {
    type: 'finish',
    finishReason: { unified: 'stop', raw: 'end' },
    usage: { inputTokens: { total: 3 }, outputTokens: { total: 4 } },
  };
}

// -- the chats --

async function readChat(id) {
  const kept = await database.get(`chat:${id}`);
  return kept ? JSON.parse(kept) : { messages: [], activeStreamId: null };
}

async function saveChat({ id, ...told }) {
  await database.set(`chat:${id}`, JSON.stringify({ ...(await readChat(id)), ...told }));
}

// -- the endpoints --

async function post(asked, response) {
  const { id, messages } = asked;
  const streamId = generateId();
  await saveChat({ id, messages, activeStreamId: streamId }); // before the reader hears of it
  const work = new AbortController();
  working.set(streamId, work);
  const { stream } = streamText({
    model: writer(told(id)),
    messages: await convertToModelMessages(messages),
    abortSignal: work.signal, // and not the request's: a reader that leaves may come back
  });
  let kept;
  const answer = createUIMessageStreamResponse({
    stream: toUIMessageStream({
      stream,
      originalMessages: messages,
      generateMessageId: generateId,
      async onEnd({ messages: all }) {
        working.delete(streamId);
        await saveChat({ id, messages: all, activeStreamId: null });
      },
    }),
    consumeSseStream({ stream: copy }) {
      kept = streams.createNewResumableStream(streamId, () => copy);
    },
  });
  await kept;
  told(id).streams += 1;
  await send(answer.body, id, response);
}

async function resume(id, response) {
  const { activeStreamId } = await readChat(id);
  if (activeStreamId == null) return response.writeHead(204).end();
  const stream = await Promise.race([streams.resumeExistingStream(activeStreamId), silence()]);
  if (stream == null) return response.writeHead(200, UI_MESSAGE_STREAM_HEADERS).end(); // just ended
  told(id).resumed += 1;
  await send(stream, id, response);
}

/** Where the process that wrote a stream is gone, resumable-stream may wait for it for ever. */
async function silence() {
  await sleep(4000);
  throw new Error('nobody writes this stream');
}

async function stop(id, asked, response) {
  const { messages, activeStreamId } = await readChat(id);
  if (activeStreamId != null) {
    const answer = asked.assistantMessage;
    if (answer) await saveChat({ id, messages: [...messages, answer] });
    working.get(activeStreamId).abort();
    await saveChat({ id, activeStreamId: null });
  }
  response.end(JSON.stringify({ success: true }));
}

/** A reader that leaves ends nothing but this. */
async function send(stream, id, response) {
  response.writeHead(200, UI_MESSAGE_STREAM_HEADERS).flushHeaders();
  await pipeline(Readable.fromWeb(stream), response).catch(() => (told(id).left += 1));
}

async function route(request, response) {
  const [, place, , id, what] = request.url.split('/').map(decodeURIComponent);
  const asked = JSON.parse((await text(request)) || '{}');
  if (place === 'release') return response.end(void told(asked.id).release(asked.count));
  if (place === 'seen') {
    return response.end(JSON.stringify({ ...told(asked.id), chat: await readChat(asked.id) }));
  }
  told(id ?? asked.id).note(request, asked);
  if (what === 'stream') return resume(id, response);
  if (what === 'stop') return stop(id, asked, response);
  return post(asked, response);
}

const server = createServer((request, response) =>
  route(request, response).catch(error => response.writeHead(500).end(error.message)),
);
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', () => process.exit());
