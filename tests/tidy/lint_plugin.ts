/**
 * The rules that need a syntax tree, as a plugin of `deno lint` (named in deno.json), so that an
 * editor shows them too: function length, vague names, focused tests, waits by time, JSDoc, and
 * clocks and chance in the PURE folders (pure.deno.json's type check finds all other I/O there).
 */

/** Functions are shorter than this, lines from its first to its last, both counted. */
export const FUNCTION_LINES_BELOW = 70;

const vagueName = /(Utils?|Helpers?|Managers?)$/i;
const waiters = new Set(["setTimeout", "setInterval", "sleep", "delay"]);

/** Reports a function that is too long to be read at once. */
const functionLength: Deno.lint.Rule = {
  create(context) {
    const { text } = context.sourceCode;
    const measure = (node: Deno.lint.Node) => {
      const lines = text.slice(node.range[0], node.range[1]).split("\n").length;
      if (lines < FUNCTION_LINES_BELOW) return;
      context.report({
        // The head alone is marked, so that an editor does not underline the whole function.
        range: [node.range[0], Math.min(text.indexOf("\n", node.range[0]), node.range[1])],
        message: `This function has ${lines} lines`,
        hint: `Give its steps names of their own: fewer than ${FUNCTION_LINES_BELOW} lines.`,
      });
    };
    return {
      FunctionDeclaration: measure,
      FunctionExpression: measure,
      ArrowFunctionExpression: measure,
    };
  },
};

/** Reports a class, interface, type or function whose name says nothing. */
const noVagueNames: Deno.lint.Rule = {
  create(context) {
    const look = (node: { id: Deno.lint.Identifier | null }) => {
      if (node.id === null || !vagueName.test(node.id.name)) return;
      context.report({
        node: node.id,
        message: `\`${node.id.name}\` does not say what it does`,
        hint: "Name it for what it does or is; no Utils, Helper, Manager.",
      });
    };
    return {
      ClassDeclaration: look,
      FunctionDeclaration: look,
      TSInterfaceDeclaration: look,
      TSTypeAliasDeclaration: look,
    };
  },
};

/** Reports `Deno.test.only`, `.ignore`, `.skip` and the options of those names. */
const noFocusedTests: Deno.lint.Rule = {
  create(context) {
    const focus = /^(only|ignore|skip)$/;
    const report = (node: Deno.lint.Node, name: string) =>
      context.report({
        node,
        message: `\`${name}\` leaves tests out`,
        hint: "Every test runs everywhere: mend it or remove it.",
      });
    return {
      CallExpression(node) {
        const callee = context.sourceCode.getText(node.callee);
        const focused = /^(?:Deno\.test|t\.step)\.(\w+)$/.exec(callee)?.[1];
        if (focused !== undefined && focus.test(focused)) return report(node.callee, focused);
        if (callee !== "Deno.test" && callee !== "t.step") return;
        for (const argument of node.arguments) {
          if (argument.type !== "ObjectExpression") continue;
          for (const property of argument.properties) {
            if (property.type !== "Property") continue;
            const name = context.sourceCode.getText(property.key);
            if (focus.test(name)) report(property, name);
          }
        }
      },
    };
  },
};

/** Reports a test that waits by time; benches and the waiting itself (tests/support) may. */
const noTimedWaits: Deno.lint.Rule = {
  create(context) {
    if (!waitsAreSuspect(context.filename)) return {};
    return {
      CallExpression(node) {
        const callee = context.sourceCode.getText(node.callee).replace(/^globalThis\./, "");
        if (!waiters.has(callee)) return;
        context.report({
          node: node.callee,
          message: `\`${callee}\` in a test waits by time`,
          hint: "Wait for what happens: waitUntil or withDeadline of tests/support/deadline.ts.",
        });
      },
    };
  },
};

/** Tests beside their source, and all below tests/ but benches and support. */
function waitsAreSuspect(filename: string): boolean {
  if (/\/tests\/(bench|support|tidy)\//.test(filename)) return false;
  return /_test\.tsx?$/.test(filename) || /\/tests\//.test(filename);
}

/** Reports a clock or chance in a PURE folder: same input, same output. */
const pureFolders: Deno.lint.Rule = {
  create(context) {
    const isPure = /\/lib\/(event|rollup|sketch|query|ring)\/[^/]*$/.test(context.filename);
    if (!isPure || /_test\.ts$/.test(context.filename)) return {};
    const report = (node: Deno.lint.Node, what: string) =>
      context.report({
        node,
        message: `\`${what}\` in a PURE folder`,
        hint: "Take the time or the random value as a parameter.",
      });
    return {
      MemberExpression(node) {
        const text = context.sourceCode.getText(node);
        if (text === "Date.now" || text === "Math.random") report(node, text);
      },
      NewExpression(node) {
        const isDate = context.sourceCode.getText(node.callee) === "Date";
        if (isDate && node.arguments.length === 0) report(node, "new Date()");
      },
    };
  },
};

/**
 * Reports an exported function of the product that nothing is said of. `deno doc --lint` asks the
 * same of every constant and field, where a good name often says all, and of a class that its
 * file's header describes; so this stands in its place.
 */
const documentedFunctions: Deno.lint.Rule = {
  create(context) {
    const isProduct = /\/(lib|services|workers)\//.test(context.filename);
    if (!isProduct || /_test\.tsx?$/.test(context.filename)) return {};
    const { text } = context.sourceCode;
    return {
      ExportNamedDeclaration(node) {
        const { declaration } = node;
        if (declaration?.type !== "FunctionDeclaration") return;
        const before = text.slice(0, node.range[0]).trimEnd();
        if (before.endsWith("*/") && before.startsWith("/**", before.lastIndexOf("/*"))) return;
        context.report({
          node: declaration.id ?? declaration,
          message: "An exported function without JSDoc",
          hint: "Say what it does, and what its name and types do not: shapes, units, errors.",
        });
      },
    };
  },
};

/** The plugin, as deno.json names it. */
const plugin: Deno.lint.Plugin = {
  name: "rta",
  rules: {
    "function-length": functionLength,
    "no-vague-names": noVagueNames,
    "no-focused-tests": noFocusedTests,
    "no-timed-waits": noTimedWaits,
    "pure-folders": pureFolders,
    "documented-functions": documentedFunctions,
  },
};

export default plugin;
