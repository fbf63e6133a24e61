/** The whole database as Drizzle sees it: the existing backend's tables, and ours beside them. */
export * from './backend.ts';
export { settlement } from './columns.ts';
export * from './inbox.ts';
export * from './outbox.ts';
export * from './sessions.ts';
export * from './set-aside.ts';
