// The AI SDK, asked by the tests: one JSON line in, one JSON line out.

import { createInterface } from 'node:readline';
import {
  convertToModelMessages,
  DefaultChatTransport,
  parseJsonEventStream,
  readUIMessageStream,
  safeValidateUIMessages,
  uiMessageChunkSchema,
} from 'ai';

globalThis.AI_SDK_LOG_WARNINGS = false; // they would be written between the answers

/** The chunks of an event stream; one that is not in the SDK's schema ends it with an error. */
function chunksOf(wire) {
  const parsed = parseJsonEventStream({
    stream: new Blob([wire]).stream(),
    schema: uiMessageChunkSchema,
  });
  return parsed.pipeThrough(
    new TransformStream({
      transform(result, controller) {
        if (!result.success) throw result.error;
        controller.enqueue(result.value);
      },
    }),
  );
}

/** The message that the SDK makes of chunks, and the errors it reports on the way. */
async function madeOf(stream) {
  const errors = [];
  const onError = error => errors.push(error.message);
  let message = null;
  for await (const next of readUIMessageStream({ stream, onError })) {
    message = next;
  }
  return { message, errors };
}

const methods = {
  /** What the SDK makes of a stream. */
  read: wire => madeOf(chunksOf(wire)),

  /** What `useChat` makes of the answer to these messages. */
  async send({ api, id, messages }) {
    const asked = { chatId: id, messages, trigger: 'submit-message' };
    return madeOf(await new DefaultChatTransport({ api }).sendMessages(asked));
  },

  /** What `useChat` makes of the answer that runs in this chat, or null. */
  async resume({ api, id }) {
    const stream = await new DefaultChatTransport({ api }).reconnectToStream({ chatId: id });
    return stream && madeOf(stream);
  },

  /** Why the SDK refuses these messages, or null. */
  async refusal(messages) {
    const result = await safeValidateUIMessages({ messages });
    return result.success ? null : result.error.message;
  },

  /** What the SDK sends of these messages. */
  request: messages => convertToModelMessages(messages),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { method, value } = JSON.parse(line);
  const answer = await methods[method](value);
  process.stdout.write(JSON.stringify(answer) + '\n');
}
