/* How many GETs a second a bare libcurl loop gets out of a server: one multi handle, IN_FLIGHT easy handles that are
 * used again, TLS with verification, nothing done with the answers but to read them.
 *
 *   cc -O2 -o raw_polls raw_polls.c -lcurl
 *   raw_polls URL CA.pem HEADER IN_FLIGHT SECONDS
 *
 * HEADER is one line, for example "Authorization: Bearer TOKEN" (or X-API-KEY). Prints one line:
 *   {"polls":N,"failed":F,"seconds":S,"per_second":R,"cpu_seconds":C}
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static size_t read_it(char *data, size_t one, size_t size, void *count) {
  (void)data;
  *(size_t *)count += one * size;
  return one * size;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "raw_polls URL CA.pem HEADER IN_FLIGHT SECONDS\n");
    return 2;
  }
  const int in_flight = atoi(argv[4]);
  const double limit = atof(argv[5]);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM *multi = curl_multi_init();
  struct curl_slist *headers = curl_slist_append(NULL, argv[3]);
  size_t octets = 0;
  long polls = 0, failed = 0;
  for (int i = 0; i < in_flight; ++i) {
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    curl_easy_setopt(easy, CURLOPT_CAINFO, argv[2]);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, read_it);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &octets);
    curl_multi_add_handle(multi, easy);
  }
  const double start = seconds(CLOCK_MONOTONIC);
  double took = 0;
  while ((took = seconds(CLOCK_MONOTONIC) - start) < limit) {
    int running = 0, left = 0;
    curl_multi_perform(multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
      CURL *easy = message->easy_handle;
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      if (message->data.result != CURLE_OK || status != 200) ++failed;
      ++polls;
      curl_multi_remove_handle(multi, easy);
      curl_multi_add_handle(multi, easy);
    }
    curl_multi_poll(multi, NULL, 0, 10, NULL);
  }
  printf("{\"polls\":%ld,\"failed\":%ld,\"seconds\":%.3f,\"per_second\":%.0f,\"cpu_seconds\":%.3f}\n", polls, failed, took,
         (double)polls / took, seconds(CLOCK_PROCESS_CPUTIME_ID));
  return failed == 0 ? 0 : 1;
}
