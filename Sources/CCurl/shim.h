#pragma once
// curl_easy_setopt and curl_easy_getinfo take any number of arguments, which Swift cannot call:
// one function for each type of argument that is used.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <string.h>

/// What is called with bytes that came, or for bytes to send.
typedef size_t (*sealdisk_curl_callback)(
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

/// For the options whose number is a curl_off_t.
static inline CURLcode sealdisk_curl_set_size(
    CURL *_Nonnull handle, CURLoption option, curl_off_t size
) {
    return curl_easy_setopt(handle, option, size);
}

/// The list must live until the handle is reset or given another one.
static inline CURLcode sealdisk_curl_set_headers(
    CURL *_Nonnull handle, struct curl_slist *_Nullable headers
) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

/// Sets one of the callbacks of that form, and what it is called with.
static inline CURLcode sealdisk_curl_set_callback(
    CURL *_Nonnull handle, CURLoption function, sealdisk_curl_callback _Nonnull callback,
    CURLoption data, void *_Nonnull context
) {
    CURLcode code = curl_easy_setopt(handle, function, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, data, context);
}

/// Sets what is called to begin the body again.
static inline CURLcode sealdisk_curl_set_rewind(
    CURL *_Nonnull handle, curl_seek_callback _Nonnull callback, void *_Nonnull context
) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, callback);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_SEEKDATA, context);
}

/// The status of the reply; 0 if there was none.
static inline long sealdisk_curl_status(CURL *_Nonnull handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/// How many bytes of requests were sent, bodies left out.
static inline long sealdisk_curl_sent(CURL *_Nonnull handle) {
    long count = 0;
    curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &count);
    return count;
}

static inline CURLcode sealdisk_curl_start(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

/// Frees a list of headers after wiping it: one of them may hold an access token.
static inline void sealdisk_curl_wipe_headers(struct curl_slist *_Nullable headers) {
    for (struct curl_slist *item = headers; item; item = item->next) {
        volatile char *byte = item->data;
        while (byte && *byte) *byte++ = 0;
    }
    curl_slist_free_all(headers);
}
