# gan-aug with Ray and the service, for head, workers and API: one image, so that all versions agree.
#
#   docker build -t gan-aug .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 gan-aug
WORKDIR /opt/gan-aug
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY gan_aug ./gan_aug
COPY services ./services
RUN pip install --no-cache-dir -c constraints.txt '.[dicom,medmnist,nifti,oidc,postgres,ray,s3,serve]'
COPY configs ./configs

USER gan-aug
WORKDIR /shared
ENV RAY_USAGE_STATS_ENABLED=0
