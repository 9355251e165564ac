/** What the tools need of a logger; pino's fits. Fields hold ids and names, never content. */
export interface ToolLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
