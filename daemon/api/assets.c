/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * assets - the built-in page and the OpenAPI document, placed in the binary by
 * the assembler: paths are relative to the root, where the build runs.
 */

#include "daemon/api/assets.h"

#include "base/attr.h"
#include "daemon/api/api.h"

#include <string.h>

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration */
#define ASSET(symbol, file)                                                    \
	__asm__(".section .rodata\n"                                           \
		".global " #symbol "\n"                                        \
		".global " #symbol "_end\n" #symbol ":\n"                      \
		".incbin \"" file "\"\n" #symbol "_end:\n"                     \
		".byte 0\n"                                                    \
		".previous\n");                                                \
	extern const char symbol[], symbol##_end[]

ASSET(asset_index, "dashboards/web/index.html");
ASSET(asset_script, "dashboards/web/driftd.js");
ASSET(asset_style, "dashboards/web/driftd.css");
ASSET(asset_openapi, "dashboards/web/openapi.json");

static const struct asset assets[] = {
	{"/", "text/html; charset=utf-8", asset_index, asset_index_end},
	{"/assets/driftd.js", "text/javascript; charset=utf-8", asset_script,
	 asset_script_end},
	{"/assets/driftd.css", "text/css; charset=utf-8", asset_style,
	 asset_style_end},
	{"/openapi.json", "application/json", asset_openapi, asset_openapi_end},
};

const struct asset *asset_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(assets); i++)
		if (!strcmp(assets[i].path, path))
			return &assets[i];
	return NULL;
}

static void answer(struct http_request *r, const char *path)
{
	const struct asset *a = asset_find(path);

	if (!a) {
		http_error(r, 404, "not_found", "no such file");
		return;
	}
	buf_add(&r->body, a->data, (size_t)(a->end - a->data));
	http_answer(r, 200, a->content_type);
}

void api_asset(struct http_request *r)
{
	struct buf path;

	buf_init(&path, 1024);
	if (r->params[0][0])
		buf_printf(&path, "/assets/%s", r->params[0]);
	else
		buf_add_str(&path, r->route->pattern);
	answer(r, buf_str(&path));
	buf_release(&path);
}

/* The page is one: its script reads from the address which model is meant. */
void api_page(struct http_request *r)
{
	answer(r, "/");
}
