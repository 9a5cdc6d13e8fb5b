/** Node 20 lacks Promise.withResolvers (ES2024), which HTTP/2 here goes by: added where it is missing. */
Promise.withResolvers ??= function <T>(): PromiseWithResolvers<T> {
  let resolve: PromiseWithResolvers<T>["resolve"];
  let reject: PromiseWithResolvers<T>["reject"];
  const promise = new Promise<T>((onValue, onError) => [resolve, reject] = [onValue, onError]);
  return { promise, resolve: resolve!, reject: reject! };
};
