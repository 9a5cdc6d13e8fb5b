/**
 * What the generated shop is made of: its event types with their shares, its pages, and the
 * properties of its visitors. Shares are those of an ordinary web shop, not measured ones.
 */

/** Event types in order of their share; a load with fewer types takes the first ones. */
const TYPE_WEIGHTS: readonly (readonly [type: string, weight: number])[] = [
  ["page_view", 400],
  ["click", 200],
  ["add_to_cart", 40],
  ["purchase", 12],
  ["product_view", 120],
  ["search", 60],
  ["scroll", 50],
  ["filter", 25],
  ["view_cart", 20],
  ["begin_checkout", 15],
  ["remove_from_cart", 10],
  ["login", 10],
  ["add_to_wishlist", 8],
  ["video_play", 8],
  ["share", 5],
  ["signup", 4],
  ["review", 3],
  ["coupon", 3],
  ["support_chat", 3],
  ["error", 2],
];

/** Weight of the 21st type; those after it fall off as 1 / n. */
const furtherWeight = 2;

/** The type whose events carry an amount. */
export const PURCHASE = "purchase";

const DEVICES = ["mobile", "desktop", "tablet"];
const BROWSERS = ["chrome", "safari", "firefox", "edge"];
const COUNTRIES = ["US", "DE", "GB", "FR", "IN", "BR", "JP", "ES", "IT", "PL", "NL", "SE"];
const CHANNELS = ["direct", "search", "social", "email", "ads"];
const PLANS = ["free", "plus", "pro"];

/** Number of pages; page 0 is the likeliest. */
export const PAGES = 2_000;

/** The first `count` types and how often each comes, the first one most often. */
export function eventTypes(count: number): { names: string[]; weights: number[] } {
  const names: string[] = [];
  const weights: number[] = [];
  for (let index = 0; index < count; index++) {
    const known = TYPE_WEIGHTS[index];
    names.push(known?.[0] ?? `custom_${index + 1}`);
    weights.push(known?.[1] ?? furtherWeight / (index - TYPE_WEIGHTS.length + 1));
  }
  return { names, weights };
}

/** Profiles: every combination of a visitor's properties, numbered. */
export const PROFILES = DEVICES.length * BROWSERS.length * CHANNELS.length * COUNTRIES.length *
  PLANS.length;

/** Profiles that belong to the same country and plan; they follow each other. */
export const PROFILES_OF_A_USER = DEVICES.length * BROWSERS.length * CHANNELS.length;

/** A profile as JSON members: `"device":"mobile","browser":...`. */
export function profileMembers(profile: number): string {
  const [device, afterDevice] = pick(DEVICES, profile);
  const [browser, afterBrowser] = pick(BROWSERS, afterDevice);
  const [channel, afterChannel] = pick(CHANNELS, afterBrowser);
  const [country, afterCountry] = pick(COUNTRIES, afterChannel);
  const [plan] = pick(PLANS, afterCountry);
  return `"device":"${device}","browser":"${browser}","country":"${country}",` +
    `"channel":"${channel}","plan":"${plan}"`;
}

function pick(names: readonly string[], number: number): [name: string, rest: number] {
  return [names[number % names.length], Math.floor(number / names.length)];
}
