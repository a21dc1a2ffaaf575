# nginx with our configuration, for Kubernetes: beside each server, in its pod.
#   docker build -f docker/nginx.Dockerfile .
FROM nginx:1.28-alpine
COPY docker/nginx/nginx.conf /etc/nginx/nginx.conf
COPY docker/nginx/templates /etc/nginx/templates
