/** The whole database as Drizzle sees it: the existing backend's tables, and ours beside them. */
export * from './backend.ts';
export * from './settlement.ts';
