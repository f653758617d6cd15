// A server with rooms around Socket.IO, as its documentation has one, under load.
'use strict';

const http = require('node:http');
const readline = require('node:readline');
const v8 = require('node:v8');
const { Server } = require('socket.io');

const web = http.createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/publish') {
    return; // Socket.IO answers the others
  }
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (text) => { body += text; });
  request.on('end', () => {
    const { channels, data } = JSON.parse(body);
    for (const channel of channels) {
      io.to(channel).emit('publication', channel, data);
    }
    response.end();
  });
});

const io = new Server(web, {
  path: '/connection',
  transports: ['websocket'],
  serveClient: false,
});

io.on('connection', (socket) => {
  socket.on('subscribe', (channel, done) => {
    socket.join(channel);
    done();
  });
});

web.listen(0, '127.0.0.1', 4096, () => {
  const { address, port } = web.address();
  console.log(`${address}:${port}`);
});

// What standard input says, as package server of the module bench has it.
v8.setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'tidy') {
      collect();
    }
    console.log(line.split(' ')[0]);
  })
  .on('close', () => process.exit(0));
