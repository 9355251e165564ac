import type { z } from 'zod';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** A JSON body's schema; bodies by media type; or nothing. */
export type BodySchema = z.ZodType | Record<string, z.ZodType> | null;

/** What the OpenAPI document says of a route. It is given where the route is registered, so that none is left out. */
export interface RouteDescription {
  /** One sentence. */
  summary: string;
  query?: z.ZodObject;
  body?: BodySchema;
  /** The body is bytes, read by `call.upload`. */
  isUpload?: boolean;
  /** By status. Failures need no mention: each route may answer with a problem. */
  answers: Record<number, BodySchema>;
}

export interface Route extends RouteDescription {
  method: Method;
  /** As uWebSockets.js writes it: `/v1/sessions/:id`. */
  path: string;
  /** No token is asked. */
  isOpen: boolean;
}
