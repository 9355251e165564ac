import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asyncApiSpecs from '@asyncapi/specs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { clientFrame } from '../../src/protocol/client-frames.ts';
import { feedFrame } from '../../src/protocol/feed-frames.ts';
import { liveFrame } from '../../src/protocol/live-frames.ts';
import { eventFrame } from '../../src/protocol/server-frames.ts';
import { webhookType } from '../../src/protocol/webhooks.ts';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import { faultsOf, fetchDocument, type OpenApi, operationsOf } from '../helpers/schemas.ts';

let harness: GatewayHarness;
let openApi: OpenApi;

beforeAll(async () => {
  harness = await openGatewayHarness();
  openApi = await fetchDocument(harness.http, '/v1/openapi.json');
});
afterAll(() => harness.close());

describe('the documents that the gateway serves are valid', () => {
  test('OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(openApi));
    expect(errors ?? []).toEqual([]);
    expect([valid, openApi.openapi]).toEqual([true, '3.1.0']);
  });

  test('AsyncAPI 3', async () => {
    const document = await fetchDocument(harness.http, '/v1/asyncapi.json');
    const ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, meta: false });
    const validate = ajv.compile(asyncApiSpecs.schemas['3.0.0'] as object);
    expect(faultsOf(validate, document)).toEqual([]);
    expect(danglingRefs(document)).toEqual([]);
    expect(validate({ ...document, channels: { session: { address: 3 } } })).toBe(false);
  });

  test('JSON Schema, of every frame of both directions [http-documents]', async () => {
    const document = await fetchDocument<{ $defs: Record<string, object> }>(harness.http, '/v1/schema.json');
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    for (const name of Object.keys(document.$defs)) ajv.compile({ ...document, $ref: `#/$defs/${name}` });
    const types = [clientFrame, eventFrame, feedFrame, liveFrame].flatMap(({ options }) =>
      options.map((option) => option.shape.type.value),
    );
    const told = Object.values(document.$defs).flatMap((schema) => {
      const { properties } = schema as { properties?: { type?: { const?: string } } };
      return properties?.type?.const ?? [];
    });
    expect(told.toSorted()).toEqual(types.toSorted());
    expect(danglingRefs(document)).toEqual([]);
  });

  test('OpenAPI tells receivers what each webhook says', () => {
    const { webhooks } = openApi as OpenApi & { webhooks: Record<string, object> };
    expect(Object.keys(webhooks)).toEqual(webhookType.options);
  });

  test('no reference of the OpenAPI document leads nowhere', () => expect(danglingRefs(openApi)).toEqual([]));
});

/** References within the document that find nothing. */
function danglingRefs(document: object): string[] {
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);
  return refs.filter((path) => {
    let at: unknown = document;
    for (const key of path.split('/')) at = (at as Record<string, unknown> | undefined)?.[key];
    return at === undefined;
  });
}

describe('the OpenAPI document and the router say the same', () => {
  test('every method that it names is served', async () => {
    expect(operationsOf(openApi).length).toBeGreaterThan(8);
    for (const { path, method } of operationsOf(openApi)) {
      const answer = await fetch(`${harness.http}${path.replaceAll(/\{\w+\}/g, 'x')}`, {
        method: method.toUpperCase(),
      });
      expect([path, method, answer.status]).not.toEqual([path, method, 405]);
      const text = await answer.text();
      expect([path, method, text.includes('There is nothing at this path')]).toEqual([path, method, false]);
    }
  });

  test('a path takes no method that it does not name', async () => {
    for (const [path, methods] of Object.entries(openApi.paths)) {
      const answer = await fetch(`${harness.http}${path.replaceAll(/\{\w+\}/g, 'x')}`, {
        method: 'PROPFIND',
      });
      const allowed = answer.headers.get('allow')?.toLowerCase().split(', ');
      expect([path, allowed]).toEqual([path, Object.keys(methods)]);
    }
  });

  test('routes are registered nowhere but with the router, which tells of them', () => {
    const folder = fileURLToPath(new URL('../../src/gateway/', import.meta.url));
    // Neither is a part of the HTTP API: Socket.IO's transport, of which the AsyncAPI document tells, and the page.
    const mayRegister = ['http-router.ts', 'socket-io-engine.ts', 'http-page.ts'];
    const files = readdirSync(folder).filter((file) => !mayRegister.includes(file));
    const found = files.flatMap((file) => {
      const text = readFileSync(`${folder}${file}`, 'utf8');
      return /\bapp\.(get|post|put|patch|del|head|any|options)\(/i.test(text) ? [file] : [];
    });
    expect(found).toEqual([]);
  });
});
