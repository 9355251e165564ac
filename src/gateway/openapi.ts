import { z } from 'zod';
import { problem } from '../protocol/http.ts';
import { webhookMessage } from '../protocol/webhooks.ts';
import type { BodySchema, Route } from './http-route.ts';
import { type JsonObject, JsonSchemas } from './json-schemas.ts';

/** The OpenAPI 3.1 document of the routes that there are. */
export function openApi(routes: readonly Route[]): JsonObject {
  const schemas = new JsonSchemas('#/components/schemas/');
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([a-z_]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route, path, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Turngate',
      version: 'v1',
      description: 'HTTP of a Turngate gateway. Meanings are in docs/protocol.md; errors in docs/errors.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths,
    webhooks: webhooks(schemas),
    components: {
      schemas: schemas.named,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

/** What receivers of webhooks are sent, by type. */
function webhooks(schemas: JsonSchemas): JsonObject {
  const entries = webhookMessage.options.map((message): [string, JsonObject] => {
    const type = message.shape.type.value;
    const body = { required: true, ...content(message, 'output', schemas) };
    const responses = { '2XX': { description: 'It has arrived.' } };
    return [type, { post: { summary: `Webhook ${type}.`, security: [], requestBody: body, responses } }];
  });
  return Object.fromEntries(entries);
}

function operation(route: Route, path: string, schemas: JsonSchemas): JsonObject {
  const { body, answers } = route;
  const answered = Object.entries(answers).map(([status, schema]) => [
    status,
    { description: route.summary, ...content(schema, 'output', schemas) },
  ]);
  return {
    summary: route.summary,
    operationId: operationId(route.method, path),
    parameters: [...pathParameters(path), ...queryParameters(route.query, schemas)],
    ...(route.isOpen ? { security: [] } : {}),
    ...(body === undefined || body === null ? {} : { requestBody: content(body, 'input', schemas) }),
    responses: {
      ...Object.fromEntries(answered),
      default: {
        description: 'What went wrong.',
        content: { 'application/problem+json': { schema: schemas.of(problem, 'output') } },
      },
    },
  };
}

/** `get /v1/sessions/{id}/messages` → `get_sessions_id_messages`. */
function operationId(method: string, path: string): string {
  return [method, ...path.replace(/^\/v1\//, '/').split(/[^a-z_]+/)].filter((part) => part !== '').join('_');
}

function content(body: BodySchema, io: 'input' | 'output', schemas: JsonSchemas): JsonObject {
  if (body === null) return {};
  const types = body instanceof z.ZodType ? { 'application/json': body } : body;
  const entries = Object.entries(types).map(([type, schema]) => [type, { schema: schemas.of(schema, io) }]);
  return { content: Object.fromEntries(entries) };
}

function pathParameters(path: string): JsonObject[] {
  return [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: z.ZodObject | undefined, schemas: JsonSchemas): JsonObject[] {
  return Object.entries(query?.shape ?? {}).map(([name, field]) => {
    const schema = schemas.of(field as z.ZodType, 'input');
    const isRequired = !(field as z.ZodType).safeParse(undefined).success;
    return { name, in: 'query', required: isRequired, schema };
  });
}
