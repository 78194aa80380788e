#pragma once
// curl_easy_setopt and curl_easy_getinfo take any number of arguments, which Swift cannot call:
// one function for each type of argument that is used.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <string.h>

typedef size_t (*sealdisk_curl_receiver)(
    char *_Nullable bytes, size_t size, size_t count, void *_Nullable context);

static inline CURLcode sealdisk_curl_set_text(
    CURL *_Nonnull handle, CURLoption option, const char *_Nonnull text
) {
    return curl_easy_setopt(handle, option, text);
}

static inline CURLcode sealdisk_curl_set_number(
    CURL *_Nonnull handle, CURLoption option, long number
) {
    return curl_easy_setopt(handle, option, number);
}

/// Not copied by libcurl: the bytes must live until the handle's end.
static inline CURLcode sealdisk_curl_set_body(
    CURL *_Nonnull handle, const void *_Nullable bytes, size_t count
) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_POSTFIELDS, bytes);
}

static inline CURLcode sealdisk_curl_set_headers(
    CURL *_Nonnull handle, struct curl_slist *_Nullable headers
) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

static inline CURLcode sealdisk_curl_set_receiver(
    CURL *_Nonnull handle, sealdisk_curl_receiver _Nonnull receiver, void *_Nonnull context
) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receiver);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
}

/// The status of the reply; 0 if there was none.
static inline long sealdisk_curl_status(CURL *_Nonnull handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static inline CURLcode sealdisk_curl_start(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

/// Frees a list of headers after wiping it: one of them holds the access token.
static inline void sealdisk_curl_wipe_headers(struct curl_slist *_Nullable headers) {
    for (struct curl_slist *item = headers; item; item = item->next) {
        volatile char *byte = item->data;
        while (byte && *byte) *byte++ = 0;
    }
    curl_slist_free_all(headers);
}
