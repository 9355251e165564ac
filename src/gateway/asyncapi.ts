import { z } from 'zod';
import type { Channel } from './channels.ts';
import { type JsonObject, JsonSchemas } from './json-schemas.ts';

/** The AsyncAPI 3 document of the channels, from the gateway's side: it receives what clients send. */
export function asyncApi(channels: Record<string, Channel>): JsonObject {
  // What AsyncAPI takes for its own schema format is a superset of draft-07.
  const schemas = new JsonSchemas('#/components/schemas/', 'draft-07');
  const entries = Object.entries(channels);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Turngate',
      version: 'v1',
      description: 'Frames and events of a Turngate gateway. Meanings are in docs/protocol.md.',
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(entries.map(([name, channel]) => [name, toChannel(channel, schemas)])),
    operations: Object.fromEntries(
      entries.flatMap(([name, { fromClient, toClient }]) => [
        ...operation(`${name}_receive`, 'receive', name, fromClient),
        ...operation(`${name}_send`, 'send', name, toClient),
      ]),
    ),
    components: { schemas: schemas.named },
  };
}

function toChannel(channel: Channel, schemas: JsonSchemas): JsonObject {
  const { address, summary, query, fromClient, toClient } = channel;
  const parameters = [...address.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => [name, {}]);
  return {
    address,
    summary,
    parameters: Object.fromEntries(parameters),
    messages: Object.fromEntries([
      ...fromClient.map((schema) => message(schema, 'input', schemas)),
      ...toClient.map((schema) => message(schema, 'output', schemas)),
    ]),
    bindings: { ws: { method: 'GET', query: schemas.of(query, 'input'), bindingVersion: '0.1.0' } },
  };
}

function message(schema: z.ZodType, io: 'input' | 'output', schemas: JsonSchemas): [string, JsonObject] {
  const id = nameOf(schema);
  const name = z.globalRegistry.get(schema)?.title ?? id;
  return [id, { name, payload: schemas.of(schema, io) }];
}

function operation(
  id: string,
  action: 'send' | 'receive',
  channel: string,
  messages: readonly z.ZodType[],
): [string, JsonObject][] {
  if (messages.length === 0) return [];
  const refs = messages.map((schema) => ({ $ref: `#/channels/${channel}/messages/${nameOf(schema)}` }));
  return [[id, { action, channel: { $ref: `#/channels/${channel}` }, messages: refs }]];
}

function nameOf(schema: z.ZodType): string {
  const id = z.globalRegistry.get(schema)?.id;
  if (id === undefined)
    throw new Error('A message of a channel has no name: give it one in document-names.ts.');
  return id;
}
