import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { SETTINGS, type Settings } from './settings.js';

// rawBody keeps the bytes of each request beside the parsed JSON: signatures cover the bytes.
const app = await NestFactory.create(AppModule, { rawBody: true });
app.enableShutdownHooks(); // closes the connection to Temporal
await app.listen(app.get<Settings>(SETTINGS).port, '127.0.0.1');
