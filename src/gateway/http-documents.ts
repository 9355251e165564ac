import { z } from 'zod';
import { nativeFrames } from '../protocol/document-names.ts';
import { asyncApi } from './asyncapi.ts';
import { channels } from './channels.ts';
import type { HttpRouter } from './http-router.ts';
import { type JsonObject, JsonSchemas } from './json-schemas.ts';
import { openApi } from './openapi.ts';

const anyDocument = z.record(z.string(), z.unknown());

/** The generated documents. They hold no secret and are for tools, so no token is asked. */
export function serveDocuments(router: HttpRouter): void {
  const serve = (path: string, summary: string, make: () => JsonObject) => {
    let made: JsonObject | undefined;
    router.open(path, { summary, answers: { 200: anyDocument } }, async () => {
      // At the first request: by then every route is registered.
      made ??= make();
      return { status: 200, body: made };
    });
  };
  serve('/v1/openapi.json', 'OpenAPI 3.1 of the HTTP API.', () => openApi(router.routes));
  serve('/v1/asyncapi.json', 'AsyncAPI 3 of WebSocket, Socket.IO and feed.', () => asyncApi(channels));
  serve('/v1/schema.json', 'JSON Schema of every frame.', frameSchema);
}

/** JSON Schema (draft 2020-12) of every frame; `#/$defs/ClientFrame` and `#/$defs/ServerFrame` are all of a direction. */
export function frameSchema(): JsonObject {
  const schemas = new JsonSchemas('#/$defs/');
  const { ClientFrame, ...fromServer } = nativeFrames;
  schemas.of(ClientFrame, 'input');
  for (const schema of Object.values(fromServer)) schemas.of(schema, 'output');
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Frames of turngate.v1',
    $defs: schemas.named,
  };
}
