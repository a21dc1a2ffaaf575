"""The shop's own API, by its own REST_FRAMEWORK settings."""

from rest_framework import generics, serializers

from shop.files.models import File


class FileSerializer(serializers.ModelSerializer):
    """A file of the shop."""

    class Meta:
        model = File
        fields = ["id", "title"]


class FileList(generics.ListAPIView):
    """The shop's files, for people who are logged in."""

    queryset = File.objects.order_by("pk")
    serializer_class = FileSerializer
